import { connect } from 'node:net';
import { expect } from 'chai';
import { BODY, GET, KOA_GET, KOA_POST, post, statusesOf, useBothPaths } from './both-paths.ts';

/** Sends bytes and then FIN. Returns all that arrives until the other side closes. */
async function sendAndFinish(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.on('end', () => resolve(received)).on('error', reject);
  socket.end(bytes);
  return promise;
}

function times(count: number, status: number): number[] {
  return Array.from({ length: count }, () => status);
}

describe('a connection to the public port', () => {
  const { mapperCount, onBoth, rowCount } = useBothPaths();

  describe('that the client half-closes', () => {
    for (const [what, bytes, statuses] of [
      ['a redirect', GET, [302]],
      ['a shorten', post(), [201]],
      ['a shorten through Koa', KOA_POST, [201]],
      ['several requests', GET + post() + KOA_POST + GET, [302, 201, 201, 302]],
      ['an unknown link', 'GET /nothing-there HTTP/1.1\r\nHost: x\r\n\r\n', [404]],
      ['many requests', GET.repeat(40), times(40, 302)],
      ['many requests through Koa', KOA_GET.repeat(40), times(40, 302)],
      ['many shortens', post().repeat(20), times(20, 201)],
      [
        'requests through Koa behind an unknown link',
        GET.replace('followed', 'nothing-there') + KOA_GET.repeat(10),
        [404, ...times(10, 302)],
      ],
      ['requests through Koa behind a shorten', post() + KOA_GET.repeat(10), [201, ...times(10, 302)]],
      [
        'a request that needs no body behind a shorten',
        `${post()}PUT /followed HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{`,
        [201, 405],
      ],
      ['nothing', '', []],
    ] as const) {
      it(`answers ${what}, and closes`, async () => {
        await onBoth(bytes, (answers) => expect(statusesOf(answers)).to.deep.equal(statuses), sendAndFinish);
      });
    }

    it('says in the last answer that it closes, when the answer was not yet given', async () => {
      await onBoth(post(), (answers) => expect(answers).to.match(/\r\nConnection: close\r\n/), sendAndFinish);
    });

    it('says that a request is incomplete', async () => {
      for (const half of [post().slice(0, -5), KOA_POST.slice(0, -5), GET.slice(0, -5)]) {
        await onBoth(half, (answers) => expect(statusesOf(answers)).to.deep.equal([400]), sendAndFinish);
      }
    });
  });

  describe('with a request that HTTP/1.1 forbids', () => {
    const WRONG: readonly (readonly [what: string, bytes: string, status: number])[] = [
      ['another transfer coding', chunked('gzip, chunked'), 501],
      ['chunks twice', chunked('chunked, chunked'), 400],
      ['a last coding that is not chunked', chunked('chunked, gzip'), 400],
      ['gzip without chunks', chunked('gzip'), 400],
      ['the coding identity', chunked('identity'), 400],
      ['a coding that ends like chunked', chunked('xchunked'), 400],
      ['HTTP/2.0', GET.replace('1.1', '2.0'), 400],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
      ['HTTP/0.9', 'GET /followed\r\n\r\n', 400],
      ['an empty Host', GET.replace('Host: x', 'Host:'), 400],
      ['two Hosts', GET.replace('Host: x', 'Host: x\r\nHost: x'), 400],
      ['no Host', GET.replace('Host: x\r\n', ''), 400],
      ['two Hosts in HTTP/1.0', 'GET /followed HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n', 400],
      ...[
        'a b',
        'a/b',
        'a?b',
        'a@b',
        'a,b c',
        'x:80a',
        'x:y',
        '[::1',
        '::1',
        'ü',
        'a%zz',
        '<x>',
        'x:1:2',
      ].map((host): readonly [string, string, number] => [
        `the Host ${host}`,
        GET.replace('Host: x', `Host: ${host}`),
        400,
      ]),
    ];
    for (const [what, bytes, status] of WRONG) {
      it(`answers ${status} to ${what}`, async () => {
        const closing = bytes.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
        await onBoth(/ HTTP.1/.test(bytes) ? closing : bytes, (answers) => {
          expect(statusesOf(answers)).to.deep.equal([status]);
          expect(answers).to.match(/content-type: application\/problem\+json/i);
        });
      });
    }

    function chunked(coding: string): string {
      const head = `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: ${coding}`;
      return `${head}\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
    }

    for (const host of [
      'x',
      'X.example:8080',
      'x:',
      '127.0.0.1:80',
      '[::1]:80',
      'a_b-c.example',
      'a%20b',
      "a!$&'()*+,;=~",
    ]) {
      it(`serves the Host ${host}`, async () => {
        const bytes = `GET /followed HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
        await onBoth(bytes, (answers) => expect(statusesOf(answers)).to.deep.equal([302]));
      });
    }
  });

  describe('with a body in chunks', () => {
    /** A shorten in chunks of one byte each, and requests behind it. */
    function inChunksOf1(count: number): string {
      const head =
        'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
      const chunks = BODY.padEnd(count)
        .split('')
        .map((character) => `1\r\n${character}\r\n`);
      return `${head}${chunks.join('')}0\r\n\r\n`;
    }

    it('takes 1,024 chunks', async () => {
      await onBoth(inChunksOf1(1_024) + inChunksOf1(1_024) + post('Connection: close\r\n'), (answers) =>
        expect(statusesOf(answers)).to.deep.equal([201, 201, 201]),
      );
    });

    for (const count of [1_025, 3_000, 8_000]) {
      it(`refuses ${count} chunks, and handles nothing after them`, async () => {
        const before = await rowCount();
        await onBoth(GET + post() + inChunksOf1(count) + post() + GET, (answers) => {
          expect(statusesOf(answers)).to.deep.equal([302, 201, 400]);
          expect(answers)
            .to.include('more than 1024 chunks')
            .and.match(/\r\nConnection: close\r\n/);
        });
        expect(await rowCount()).to.equal(before + mapperCount);
      });
    }

    it('refuses too many chunks of a request that needs no body', async () => {
      const body = `${'1\r\nx\r\n'.repeat(3_000)}0\r\n\r\n`;
      const bytes = GET.replace('Host: x\r\n', 'Host: x\r\nTransfer-Encoding: chunked\r\n') + body + GET;
      await onBoth(bytes, (answers) => expect(statusesOf(answers).slice(1)).to.deep.equal([]));
    });
  });

  it('is told to continue in HTTP/1.1, and not in HTTP/1.0', async () => {
    const expecting = post('Expect: 100-continue\r\nConnection: close\r\n');
    await onBoth(expecting, (answers) => expect(statusesOf(answers)).to.deep.equal([100, 201]));
    await onBoth(expecting.replace('HTTP/1.1', 'HTTP/1.0'), (answers) =>
      expect(statusesOf(answers)).to.deep.equal([201]),
    );
    // Node looks only for the word, and HTTP/1.0 does not have the header.
    const more = expecting.replace('100-continue', '100-continue, more');
    await onBoth(more, (answers) => expect(statusesOf(answers)).to.deep.equal([100, 201]));
    const other = expecting.replace('100-continue', 'more');
    await onBoth(other, (answers) => expect(statusesOf(answers)).to.deep.equal([417]));
    await onBoth(other.replace('HTTP/1.1', 'HTTP/1.0'), (answers) =>
      expect(statusesOf(answers)).to.deep.equal([201]),
    );
  });

  it('gets the words of RFC 9110 in the status line', async () => {
    const line = (bytes: string, words: string): Promise<void> =>
      onBoth(bytes, (answers) => expect(answers.split('\r\n')[0]).to.equal(`HTTP/1.1 ${words}`));
    const close = 'Connection: close\r\n';
    await line(post(close).replaceAll('long_url', 'more_url'), '422 Unprocessable Content');
    await line(
      post(close, 'application/json;v=1').replaceAll('long_url', 'more_url'),
      '422 Unprocessable Content',
    );
    const large =
      'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n';
    await line(`${large}${close}\r\n${' '.repeat(99_999)}`, '413 Content Too Large');
  });
});
