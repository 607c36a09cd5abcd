import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { openBodyStream } from '../../mapper/http/body-stream.ts';
import { connectionOf } from '../../mapper/http/connection.ts';
import type { StreamPace } from '../../mapper/http/limits.ts';
import { openPublicPort } from '../../mapper/http/public-port.ts';
import { Problem } from '../../mapper/http/problem.ts';
import { BegunStream } from '../../mapper/http/send-stream.ts';
import { startServer, type Handler, type PublicServer } from '../../mapper/http/server.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { until } from '../until.ts';

const LIMITS = { headersTimeoutMs: 200, requestTimeoutMs: 300, keepAliveTimeoutMs: 300, stalledMs: 60_000 };
const PACE = { graceMs: 250, bytesPerSecond: 1_000 };
const HEAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n';

describe('streams of the public server', () => {
  let server: PublicServer;
  let url: URL;
  /** What ended the last handler early. */
  let failure: unknown;

  afterEach(async () => server.drain(50));

  async function start(
    answer: (pieces: AsyncIterable<Buffer>) => AsyncIterable<string>,
    limits: { bodyMs?: number; answerMs?: number } = {},
  ): Promise<void> {
    failure = undefined;
    const paceFor = (maxMs?: number): StreamPace =>
      maxMs === undefined ? PACE : { ...PACE, endsAtMs: monotonicMs() + maxMs };
    const handler: Handler = async (request, response) => {
      connectionOf(request.socket)?.weigh(request);
      try {
        const { pieces } = openBodyStream(request, response, {
          types: ['text/plain'],
          pace: paceFor(limits.bodyMs),
        });
        const begun = await BegunStream.begin(answer(pieces));
        await begun.sendTo(response, { pace: paceFor(limits.answerMs) });
      } catch (error) {
        failure = error;
        if (!response.headersSent) response.end();
      }
    };
    const port = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    url = new URL(port.url);
    server = await startServer({ any: handler }, port, LIMITS);
  }

  async function open(): Promise<Socket> {
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** Everything that arrives until the end. */
  async function readAll(socket: Socket): Promise<string> {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => socket.once('close', resolve));
    return text;
  }

  async function* echo(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
    for await (const piece of pieces) yield piece.toString().toUpperCase();
  }

  it('answers a body while it is sent, for longer than other requests may take', async () => {
    await start(echo);
    const socket = await open();
    const answered = readAll(socket);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    const startedMs = performance.now();
    for (let count = 0; performance.now() - startedMs < 3 * LIMITS.requestTimeoutMs; count += 1) {
      const text = `piece ${count} ${'.'.repeat(300)}`;
      socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
      await until('its answer', () => received.includes(`PIECE ${count} `));
    }
    socket.write('0\r\n\r\n');
    await until('the end of the answer', () => received.endsWith('\r\n0\r\n\r\n'));
    socket.end();
    await answered;
    expect(failure).to.equal(undefined);
  });

  it('takes a chunk for each line, and refuses many chunks of a byte', async () => {
    let bytes = 0;
    async function* count(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
      for await (const piece of pieces) bytes += piece.length;
      yield String(bytes);
    }
    await start(count);
    const line = `${'x'.repeat(19)}\n`;
    const lines = `${line.length.toString(16)}\r\n${line}\r\n`.repeat(5_000);
    const good = await open();
    good.write(`${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${lines}0\r\n\r\n`);
    expect(await readAll(good)).to.include('100000');
    const bad = await open();
    bad.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(5_000)}0\r\n\r\n`);
    expect(await readAll(bad)).to.match(/^HTTP\/1.1 400 /);
  });

  it('gives up on a client that sends too slowly', async () => {
    await start(echo);
    const socket = await open();
    const answered = readAll(socket);
    socket.write(`${HEAD}Content-Length: 1000\r\n\r\n`);
    // A byte now and then does not help.
    const drip = setInterval(() => socket.write('x'), 50);
    socket.once('close', () => clearInterval(drip));
    const text = await answered;
    expect(text).not.to.match(/\r\n0\r\n\r\n$/);
    expect(failure).to.be.instanceOf(Problem).with.property('code', 'too-slow');
  });

  for (const [what, text, limits] of [
    ['sends blank lines only', '\r\n \t\n'.repeat(100), {}],
    ['sends for longer than it may', 'a line\n'.repeat(100), { bodyMs: 400 }],
  ] as const)
    it(`gives up on a client that ${what}, however fast`, async () => {
      async function* bytes(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
        for await (const _ of pieces);
        yield 'all';
      }
      await start(bytes, limits);
      const socket = await open();
      const answered = readAll(socket);
      socket.write(`${HEAD}Content-Length: 10000000\r\n\r\n`);
      const sending = setInterval(() => socket.write(text), 20);
      socket.once('close', () => clearInterval(sending));
      await until('the client to be refused', () => failure);
      expect(failure).to.be.instanceOf(Problem).with.property('code', 'too-slow');
      socket.destroy();
      await answered;
    });

  it('gives up on a client that reads for longer than it may', async () => {
    async function* endless(): AsyncGenerator<string> {
      for (;;) yield 'x'.repeat(65_536);
    }
    await start(endless, { answerMs: 300 });
    const socket = await open();
    socket.on('data', () => undefined);
    socket.write(`${HEAD}Content-Length: 0\r\n\r\n`);
    // It reads all the time, but not as fast as the answer is made.
    const resting = setInterval(() => (socket.isPaused() ? socket.resume() : socket.pause()), 10);
    await until('the client to be cut off', () => failure);
    clearInterval(resting);
    expect(failure).to.be.instanceOf(Problem).with.property('code', 'too-slow');
    socket.destroy();
  });

  it('makes the source wait for a client that does not read, and then cuts it off', async () => {
    let made = 0;
    let isStopped = false;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) {
          made += 1;
          yield 'x'.repeat(65_536);
        }
      } finally {
        isStopped = true;
      }
    }
    await start(endless);
    const socket = await open();
    socket.pause();
    socket.write(`${HEAD}Content-Length: 0\r\n\r\n`);
    await until('the client to be cut off', () => failure);
    expect(failure).to.be.instanceOf(Problem).with.property('code', 'too-slow');
    expect(isStopped).to.equal(true);
    // What sockets hold, on both sides.
    expect(made).to.be.below(300);
    socket.destroy();
  });

  it('stops the source when the client goes', async () => {
    let isStopped = false;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) yield 'x'.repeat(65_536);
      } finally {
        isStopped = true;
      }
    }
    await start(endless);
    const socket = await open();
    socket.write(`${HEAD}Content-Length: 0\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await until('the source to stop', () => isStopped);
  });

  for (const version of ['1.1', '1.0'])
    it(`does not end the body of an answer that fails, in HTTP/${version}`, async () => {
      async function* failing(): AsyncGenerator<string> {
        yield 'the first part';
        throw new Error('a store is away');
      }
      await start(failing);
      const socket = await open();
      let isReset = false;
      socket.on('error', (error: NodeJS.ErrnoException) => (isReset = error.code === 'ECONNRESET'));
      socket.write(`${HEAD.replace('1.1', version)}Content-Length: 0\r\n\r\n`);
      const text = await readAll(socket);
      expect(text.endsWith('\r\n0\r\n\r\n')).to.equal(false);
      // In HTTP/1.0 the end of the connection ends the body, so it must not end in order.
      if (version === '1.0') expect(isReset).to.equal(true);
    });

  it('closes the connection behind an answer for which the body was not read to its end', async () => {
    async function* first(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
      for await (const piece of pieces) {
        yield piece.toString().slice(0, 5);
        return;
      }
    }
    await start(first);
    const socket = await open();
    const answered = readAll(socket);
    socket.write(`${HEAD}Content-Length: 1000000\r\n\r\nfirst and more`);
    expect(await answered).to.match(/first\r\n0\r\n\r\n$/);
  });
});
