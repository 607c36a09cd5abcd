import { expect } from 'chai';
import { wantsPage } from '../../mapper/http/problem-page.ts';
import { headerIn, queryIn } from '../../mapper/http/raw-head.ts';

const ACCEPTS: readonly (readonly [accept: string | undefined, isBrowser: boolean])[] = [
  ['text/html', true],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
  ['TEXT/HTML ; q=0.1', true],
  ['application/json, text/html', true],
  ['application/json, text/html;q=0.9', false],
  ['application/problem+json, text/html;q=0.9', false],
  ['text/html;q=0', false],
  ['text/html;q=none', false],
  ['text/html5', false],
  ['application/x-text/html', false],
  ['text/*', false],
  ['*/*', false],
  ['', false],
  [undefined, false],
];

describe('a page for people', () => {
  for (const [accept, isBrowser] of ACCEPTS)
    it(`is ${isBrowser ? '' : 'not '}for Accept: ${accept ?? 'none'}`, () =>
      expect(wantsPage(accept)).to.equal(isBrowser));
});

describe('the head of a usual request', () => {
  const before = 'GET /first?x HTTP/1.1\r\nHost: x\r\nAccept: early\r\n\r\n';
  const head = (line: string, headers = ''): string => `${line} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

  it('has the query as it was sent', () => {
    const queryOf = (target: string): string | undefined =>
      queryIn(before + head(`GET ${target}`) + before, before.length);
    expect(queryOf('/key')).to.equal(undefined);
    expect(queryOf('/key?')).to.equal('');
    expect(queryOf('/key?a=%20b&&?c')).to.equal('a=%20b&&?c');
  });

  it('has each header as Node gives it', () => {
    const headers = 'accept: one\r\nX-Accept: no\r\nACCEPT: two, three\r\nUser-Agent: a\r\nuser-agent: b\r\n';
    const valueOf = (name: string): string | undefined =>
      headerIn(before + head('GET /key', headers) + before, before.length, name);
    expect(valueOf('accept')).to.equal('one, two, three');
    expect(valueOf('user-agent')).to.equal('a');
    expect(valueOf('x-accept')).to.equal('no');
    expect(valueOf('host')).to.equal('x');
    expect(valueOf('accept-language')).to.equal(undefined);
  });
});
