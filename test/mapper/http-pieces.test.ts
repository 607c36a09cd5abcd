import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { openBodyStream, type TakePiece } from '../../mapper/http/body-stream.ts';
import { connectionOf } from '../../mapper/http/connection.ts';
import type { StreamPace } from '../../mapper/http/limits.ts';
import { Problem } from '../../mapper/http/problem.ts';
import { openPublicPort } from '../../mapper/http/public-port.ts';
import { startServer, type Handler, type PublicServer } from '../../mapper/http/server.ts';
import { until } from '../until.ts';

const LIMITS = { headersTimeoutMs: 200, requestTimeoutMs: 300, keepAliveTimeoutMs: 300, stalledMs: 60_000 };
const PACE = { graceMs: 250, bytesPerSecond: 1_000 };
const HEAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n';
const PATIENT = { timeoutMs: 30_000 };

describe('pieces of a body that are taken without an iterator', function () {
  this.timeout(60_000);
  let server: PublicServer;
  let url: URL;
  let outcome: 'whole' | Error | undefined;

  afterEach(async () => server.drain(50));

  async function start(take: TakePiece, pace: StreamPace = PACE): Promise<void> {
    outcome = undefined;
    const handler: Handler = async (request, response) => {
      connectionOf(request.socket)?.weigh(request);
      try {
        const { each } = openBodyStream(request, response, { types: ['text/plain'], pace });
        await each?.(take);
        outcome = 'whole';
      } catch (error) {
        outcome = error as Error;
      }
      response.end();
    };
    const port = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    url = new URL(port.url);
    server = await startServer({ any: handler }, port, LIMITS);
  }

  async function open(head: string): Promise<Socket> {
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.resume().write(`${HEAD}${head}\r\n\r\n`);
    return socket;
  }

  async function expectProblem(code: string): Promise<void> {
    await until('the end of the body', () => outcome !== undefined, PATIENT);
    expect(outcome).to.be.instanceOf(Problem).with.property('code', code);
  }

  it('are all bytes, in order, also when the taker needs time for some', async () => {
    const found: Buffer[] = [];
    let isBusy = false;
    await start((piece) => {
      expect(isBusy, 'a piece while another one is taken').to.equal(false);
      found.push(Buffer.from(piece));
      if (found.length % 3 > 0) return undefined;
      isBusy = true;
      return new Promise((resolve) => {
        setImmediate(() => {
          isBusy = false;
          resolve();
        });
      });
    });
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    for (const head of [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked']) {
      [outcome, found.length] = [undefined, 0];
      const socket = await open(head);
      if (head.startsWith('Content')) socket.write(body);
      else {
        for (let at = 0; at < body.length; at += 50_000)
          socket.write(
            Buffer.concat([Buffer.from('c350\r\n'), body.subarray(at, at + 50_000), Buffer.from('\r\n')]),
          );
        socket.write('0\r\n\r\n');
      }
      await until('the end of the body', () => outcome !== undefined, PATIENT);
      expect(outcome).to.equal('whole');
      expect(Buffer.concat(found).equals(body), head).to.equal(true);
      socket.destroy();
    }
  });

  it('are none where there is no body', async () => {
    await start(() => expect.fail('there is no piece'));
    const socket = await open('Content-Length: 0');
    await until('the end of the body', () => outcome !== undefined, PATIENT);
    expect(outcome).to.equal('whole');
    socket.destroy();
  });

  it('wait for a taker who takes longer than the client may', async () => {
    await start(async () => {
      await new Promise((resolve) => setTimeout(resolve, 2 * PACE.graceMs));
    });
    const socket = await open('Content-Length: 5');
    socket.write('hello');
    await until('the end of the body', () => outcome !== undefined, PATIENT);
    expect(outcome).to.equal('whole');
    socket.destroy();
  });

  for (const [what, text] of [
    ['stands still', ''],
    ['sends a byte now and then', 'x'],
    ['sends blank lines only', '\r\n \t\n'.repeat(100)],
  ] as const)
    it(`end with a client that ${what}`, async () => {
      await start(() => undefined);
      const socket = await open('Content-Length: 10000000');
      const sending = setInterval(() => socket.write(text), 30);
      await expectProblem('too-slow');
      clearInterval(sending);
      socket.destroy();
    });

  it('end with a client that sends for longer than it may, however fast', async () => {
    await start(() => undefined, { ...PACE, endsAtMs: performance.now() + 400 });
    const socket = await open('Content-Length: 10000000');
    const sending = setInterval(() => socket.write('a line\n'.repeat(100)), 20);
    await expectProblem('too-slow');
    clearInterval(sending);
    socket.destroy();
  });

  it('end when the client goes, and not before the taker has done his work', async () => {
    const work = Promise.withResolvers<void>();
    let hasBegun = false;
    await start(async () => {
      hasBegun = true;
      await work.promise;
    });
    const socket = await open('Content-Length: 1000');
    socket.write('x');
    await until('the piece to be taken', () => hasBegun, PATIENT);
    socket.resetAndDestroy();
    await until('the connection to be closed', () => server.connections().node === 0, PATIENT);
    expect(outcome).to.equal(undefined);
    work.resolve();
    await expectProblem('incomplete');
  });

  for (const [how, fail] of [
    ['at once', () => expect.fail('no room')],
    ['later', async () => Promise.reject(new Error('no room'))],
  ] as const)
    it(`end with the failure of the taker, ${how}`, async () => {
      await start(fail);
      const socket = await open('Content-Length: 1000000');
      socket.write(Buffer.alloc(200_000, 'x'));
      await until('the end of the body', () => outcome !== undefined, PATIENT);
      expect(outcome).to.be.instanceOf(Error).with.property('message', 'no room');
      await until('the connection to be closed', () => socket.destroyed, PATIENT);
    });
});
