import { expect } from 'chai';
import * as fc from 'fast-check';
import { HeadReader, headerIn, toRawHead } from '../../mapper/http/raw-head.ts';

const NAMES = ['user-agent', 'referer', 'dnt', 'sec-gpc', 'x-forwarded-for'];

const name = fc.constantFrom(...NAMES, 'User-Agent', 'REFERER', 'Host', 'X-Other', 'dn', 'x-forwarded-fo');
const value = fc.stringMatching(/^[!-~](?:[ -~]{0,20}[!-~])?$/);
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 });

describe('the head of a request', () => {
  it('is read in one pass as each field alone, also in the middle of a text', () => {
    fc.assert(
      fc.property(fields, fields, (before, own) => {
        const first = `GET /a HTTP/1.1${toRawHead(before.flat())}`;
        const text = `${first}GET /b?c: HTTP/1.1${toRawHead(own.flat())}`;
        for (const start of [0, first.length]) {
          const values = new HeadReader(NAMES).read(text, start);
          expect(values).to.deep.equal(NAMES.map((each) => headerIn(text, start, each)));
        }
      }),
    );
  });

  it('takes the first of several agents and referrers, and joins all others, as Node does', () => {
    const raw = [
      'DNT',
      '0',
      'User-Agent',
      'a',
      'user-agent',
      'b',
      'X-Forwarded-For',
      '1',
      'x-forwarded-for',
      '2',
    ];
    expect(new HeadReader(NAMES).read(toRawHead(raw), 0)).to.deep.equal([
      'a',
      undefined,
      '0',
      undefined,
      '1, 2',
    ]);
  });

  it('has no fields where there are none', () => {
    for (const text of ['', '\r\n\r\n', 'GET / HTTP/1.1\r\n\r\nUser-Agent: of a body'])
      expect(new HeadReader(NAMES).read(text, 0), text).to.deep.equal(NAMES.map(() => undefined));
  });
});
