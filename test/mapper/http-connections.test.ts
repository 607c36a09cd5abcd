import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { sendRaw, shorten } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const BODY = '{"long_url":"https://example.com/made"}';
const GET = 'GET /followed HTTP/1.1\r\nHost: x\r\n\r\n';

function post(headers = '', type = 'application/json'): string {
  return `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n${headers}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
}

/** Koa answers it, because its type has a parameter. */
const KOA_POST = post('', 'application/json; charset=utf-8');

/** Koa answers it, because its path is encoded. */
const KOA_GET = GET.replace('followed', '%66ollowed');

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

/** Sends bytes, and then more in ten segments, whatever is answered. @throws when its connection is reset */
async function sendOn(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString()));
  const ended = once(socket, 'end');
  socket.write(bytes);
  await ended;
  for (let i = 0; i < 10; i += 1) {
    await new Promise<void>((resolve, reject) =>
      socket.write('x'.repeat(10_000), (error) => (error ? reject(error) : resolve())),
    );
    // The answer to a segment for a closed connection is a reset, which the next write reports.
    await nextTurn();
  }
  socket.destroy();
  return received;
}

function times(count: number, status: number): number[] {
  return Array.from({ length: count }, () => status);
}

/** The status lines of all answers, in order. */
function statusesOf(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

describe('a connection to the public port', () => {
  let world: World;
  const mappers: { name: string; mapper: TestMapper }[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1, keys: 2_000 });
    mappers.push({ name: 'fast paths', mapper: await world.start() });
    mappers.push({ name: 'Koa', mapper: await world.start({ hasFastPaths: false }) });
    for (const { mapper } of mappers) {
      const made = { long_url: 'https://example.com/', custom_alias: 'followed' };
      expect((await shorten(mapper.url, made)).status).to.be.oneOf([201, 409]);
      expect(await sendRaw(mapper.url, GET, '\r\n\r\n')).to.match(/^HTTP\/1\.1 302 /);
    }
  });

  after(async function () {
    this.timeout(20_000);
    await world[Symbol.asyncDispose]();
  });

  /** Sends to both mappers, and hands each answer over. */
  async function onBoth(
    bytes: string,
    expectation: (answers: string) => void,
    sendBytes: (url: string, bytes: string) => Promise<string> = sendRaw,
  ): Promise<void> {
    for (const { name, mapper } of mappers) {
      const answers = await sendBytes(mapper.url, bytes);
      try {
        expectation(answers);
      } catch (error) {
        throw new Error(`${name}, ${JSON.stringify(bytes)}: ${JSON.stringify(answers)}`, { cause: error });
      }
    }
  }

  async function rowCount(): Promise<number> {
    const counts = await Promise.all(
      world.urls.map(async ({ sql }) => {
        const [rows] = await sql.query('SELECT COUNT(*) AS links FROM urls');
        return (rows as { links: number }[])[0]?.links ?? 0;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

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

  describe('on which a malformed request follows', () => {
    for (const [what, bytes, statuses] of [
      ['a shorten', `${post()}GARBAGE\r\n\r\n`, [201, 400]],
      ['a shorten through Koa', `${KOA_POST}GARBAGE\r\n\r\n`, [201, 400]],
      ['a redirect', `${GET}GARBAGE\r\n\r\n`, [302, 400]],
      [
        'a redirect through Koa, with a half preface of HTTP/2',
        `${KOA_GET}PRI /followed\r\n\r\n`,
        [302, 400],
      ],
      ['a shorten through Koa, with the same', `${KOA_POST}PRI /followed\r\nHost: x\r\n\r\n`, [201, 400]],
      ['nothing, with the same', 'PRI /followed HTTP/1.1\r\nHost: x\r\n\r\n', [400]],
      ['several requests', `${post()}${KOA_POST}${GET}\0`, [201, 201, 302, 400]],
      ['a shorten that ends the connection', `${post('Connection: close\r\n')}GARBAGE\r\n\r\n`, [201]],
      [
        'a redirect that ends the connection',
        GET.replace('x\r\n', 'x\r\nConnection: close\r\n') + GET,
        [302],
      ],
      [
        'a shorten, with CONNECT',
        `${post()}CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n`,
        [201, 405],
      ],
      [
        'a shorten, with a wrong chunk',
        `${post()}POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nz`,
        [201, 400],
      ],
    ] as const) {
      it(`first answers ${what}`, async () => {
        const before = await rowCount();
        await onBoth(bytes, (answers) => expect(statusesOf(answers)).to.deep.equal(statuses));
        const made = statuses.filter((status) => status === 201).length;
        expect(await rowCount()).to.equal(before + mappers.length * made);
      });
    }
  });

  describe('on which the client sends on behind what ends its connection', () => {
    const wrong = (line: string): string =>
      `${line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\nz`;

    for (const [what, bytes, statuses] of [
      ['a wrong chunk of a shorten', wrong('POST /urls'), [400]],
      ['a wrong chunk of a shorten behind others', post() + KOA_GET + wrong('POST /urls'), [201, 302, 400]],
      ['a wrong chunk of a request that needs no body', post() + wrong('PUT /followed'), [201, 405]],
      ['too many chunks', post() + wrong('POST /urls').replace(/z$/, '1\r\n \r\n'.repeat(5_000)), [201, 400]],
      ['no request', `${post()}GARBAGE`, [201, 400]],
      [
        'Connection: close, with a body that nobody reads',
        post() +
          post('Connection: close\r\n')
            .replace('POST', 'PUT')
            .replace(/(close\r\nContent-Length: )\d+/, '$1900000'),
        [201, 405],
      ],
      [
        'Connection: close, with a request behind it',
        post('Connection: close\r\n') + KOA_GET.repeat(2),
        [201],
      ],
    ] as const) {
      it(`${what}: answers all, and resets nothing`, async () => {
        await onBoth(bytes, (answers) => expect(statusesOf(answers)).to.deep.equal(statuses), sendOn);
      });
    }
  });

  describe('whose answer says close', () => {
    const LAST: Readonly<Record<string, string>> = {
      'Connection: close': post('Connection: close\r\n'),
      'Connection: Upgrade': post('Upgrade: h2c\r\nConnection: Upgrade\r\n'),
      'Expect: 100-continue': post('Expect: 100-continue\r\n'),
      'HTTP/1.0': post().replace('HTTP/1.1', 'HTTP/1.0'),
    };
    for (const [what, last] of Object.entries(LAST)) {
      it(`handles no request after one with ${what}`, async () => {
        const before = await rowCount();
        await onBoth(last + post() + GET, (answers) => {
          expect(statusesOf(answers.replace('HTTP/1.1 100 Continue', ''))).to.deep.equal([201]);
          expect(answers).to.match(/\r\nConnection: close\r\n/);
        });
        expect(await rowCount()).to.equal(before + mappers.length);
      });
    }

    it('takes the bytes after an upgrade for nothing else', async () => {
      const upgrade = 'GET /followed HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n';
      await onBoth(upgrade + GET + GET, (answers) => {
        expect(statusesOf(answers)).to.deep.equal([302]);
        expect(answers).to.match(/\r\nConnection: close\r\n/);
      });
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
        expect(await rowCount()).to.equal(before + mappers.length);
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
