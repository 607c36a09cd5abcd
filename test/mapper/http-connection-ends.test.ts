import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { GET, KOA_GET, KOA_POST, post, statusesOf, useBothPaths } from './both-paths.ts';

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

describe('the end of a connection to the public port', () => {
  const { mapperCount, onBoth, rowCount } = useBothPaths();

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
        expect(await rowCount()).to.equal(before + mapperCount * made);
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
        expect(await rowCount()).to.equal(before + mapperCount);
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
});
