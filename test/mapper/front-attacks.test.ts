import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { openPublicPort, type PublicPort } from '../../mapper/http/public-port.ts';
import { startServer, type PublicServer } from '../../mapper/http/server.ts';
import { findUsualRequest } from '../../mapper/http/usual-request.ts';
import { until } from '../until.ts';

const LIMITS = { headersTimeoutMs: 400, requestTimeoutMs: 800, keepAliveTimeoutMs: 3_000, stalledMs: 9_000 };
/** What Node adds to the time of keep-alive. */
const GRACE_MS = 1_000;

const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

describe('a client of the front that is attacked', function () {
  this.timeout(60_000);
  let port: PublicPort;
  let server: PublicServer;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    port = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    server = await startServer(
      {
        any: (_request, response) => response.end('node'),
        usual: () => ({
          find: findUsualRequest,
          handle: ({ path }, _bytes, reply) => {
            const headers = ['X-Request-Id', '', 'Content-Length', '5'];
            const answer = (): void =>
              reply.sendPrepared({ status: 200, reason: 'OK', headers, body: 'front' }, 'id');
            if (path === '/late') setTimeout(answer, 50);
            else answer();
            return true;
          },
        }),
      },
      port,
      LIMITS,
    );
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server.drain(100);
  });

  function open(): { socket: Socket; text: () => string } {
    const socket = connect({ port: Number(new URL(port.url).port), host: '127.0.0.1', noDelay: true });
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString())).on('error', () => undefined);
    return { socket, text: () => text };
  }

  // RFC 9112, 2.2: an empty line before a request is ignored.
  for (const [name, headers] of [
    ['the front', ''],
    ['Node', 'X-Request-Id: a\r\n'],
  ] as const) {
    it(`gets no 408 for an empty line after a request that ${name} has answered`, async () => {
      const { socket, text } = open();
      socket.write(`${get('/a-link', headers)}\r\n`);
      await until('the answer', () => text() !== '');
      await delay(LIMITS.headersTimeoutMs + 1_200);
      expect(text()).not.to.include('HTTP/1.1 408');
      expect(socket.closed).to.equal(false);
    });
  }

  it('is gone when it has half-closed with an empty line behind a request whose answer is due', async () => {
    const { socket, text } = open();
    socket.end(`${get('/late')}\r\n`);
    await until('the end', () => socket.closed);
    expect(text()).to.match(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('gets the 431 of Node for more than 1,000 headers', async () => {
    const { socket, text } = open();
    socket.write(get('/a-link', 'a: b\r\n'.repeat(1_100)));
    await until('the answer', () => text() !== '');
    expect(text()).to.match(/^HTTP\/1\.1 431 /);
  });

  it('keeps its connection for the time of keep-alive and the whole second of grace', async () => {
    const keptMs: number[] = [];
    for (let index = 0; index < 10; index += 1) {
      const { socket, text } = open();
      socket.write(get('/a-link'));
      await until('the answer', () => text() !== '', { everyMs: 1 });
      const answeredMs = performance.now();
      socket.on('close', () => keptMs.push(performance.now() - answeredMs));
      await delay(LIMITS.headersTimeoutMs / 10);
    }
    await until('the end of all', () => keptMs.length === 10);
    expect(Math.min(...keptMs)).to.be.at.least(LIMITS.keepAliveTimeoutMs + GRACE_MS - 10);
  });

  it('costs no memory for what it has sent when it is answered', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const path = `/${'k'.repeat(40)}`;
    const chunk = Buffer.from(get(path, `X-Pad: ${'p'.repeat(3_900)}\r\n`).repeat(6));
    const clients = Array.from({ length: 300 }, open);
    const earlier = used();
    for (const { socket } of clients) socket.write(chunk);
    await until('all answers', () => clients.every(({ text }) => text().split('front').length === 7));
    expect(server.connections()).to.deep.equal({ front: 300, node: 0 });
    // The clients' own texts are 100 KB together.
    expect((used() - earlier) / 300).to.be.below(8 * 1_024);
  });
});
