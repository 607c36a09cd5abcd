import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { openPublicPort, type PublicPort } from '../../mapper/http/public-port.ts';
import { readJsonObject } from '../../mapper/http/read-json.ts';
import { startServer, type Handler, type PublicServer } from '../../mapper/http/server.ts';
import { until } from '../until.ts';
import { send, sendRaw } from './client.ts';

const LIMITS = {
  headersTimeoutMs: 200,
  requestTimeoutMs: 400,
  keepAliveTimeoutMs: 300,
  stalledMs: 300,
};
const HEAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

/**
 * A keep-alive client in its own thread: sends a request, waits for `go`, sends another, and reports the
 * answer.
 */
const PATIENT_CLIENT = `
  const { workerData: { go, port }, parentPort } = require('node:worker_threads');
  const socket = require('node:net').connect(port, '127.0.0.1');
  const ask = () => socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
  socket.setEncoding('latin1');
  socket.on('error', () => undefined);
  socket.once('data', () => {
    parentPort.postMessage('idle');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk));
    socket.on('close', () => parentPort.postMessage(answer));
    Atomics.wait(go, 0, 0);
    ask();
  });
  ask();
`;

/**
 * Many clients in one thread of their own. All connect and send a request at the same time. They report when
 * all have sent it, and then the answers.
 */
const CROWD = `
  const { workerData: { size, port, go, connected }, parentPort } = require('node:worker_threads');
  setImmediate(async () => {
    Atomics.wait(go, 0, 0);
    let count = 0;
    const outcomes = Array.from({ length: size }, () => new Promise((resolve) => {
      const socket = require('node:net').connect(port, '127.0.0.1', () => {
        socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', () => {
          count += 1;
          if (count < size) return;
          Atomics.store(connected, 0, 1);
          Atomics.notify(connected, 0);
        });
      });
      socket.on('error', (error) => resolve(error.code));
      socket.on('data', (chunk) => resolve(String(chunk).split('\\r\\n')[0]));
      socket.on('close', () => resolve('closed'));
    }));
    parentPort.postMessage(await Promise.all(outcomes));
  });
`;

describe('the public server', () => {
  let server: PublicServer;
  let publicPort: PublicPort;

  afterEach(async () => server.drain(100));

  async function start(handler: Handler): Promise<void> {
    publicPort = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    server = await startServer({ any: handler }, publicPort, LIMITS);
  }

  const echo: Handler = async (request, response) => {
    try {
      response.end(JSON.stringify(await readJsonObject(request, response)));
    } catch {
      response.destroy();
    }
  };

  it('refuses connections to a free port until it serves', async () => {
    await using early = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    const socket = connect(Number(new URL(early.url).port), '127.0.0.1');
    await once(socket, 'close');
    server = await startServer({ any: echo }, early, LIMITS);
  });

  it('answers 408 to headers and bodies that never end', async () => {
    await start(echo);
    const answers = await Promise.all([
      sendRaw(publicPort.url, ''),
      sendRaw(publicPort.url, 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      sendRaw(publicPort.url, `${HEAD}Content-Length: 100\r\n\r\n{"a":`),
    ]);
    for (const answer of answers) {
      expect(answer)
        .to.match(/^HTTP\/1\.1 408 /)
        .and.to.contain('application/problem+json');
    }
  });

  it('closes connections that stay idle after a request', async () => {
    await start((_request, response) => response.end('x'));
    const startedAt = performance.now();
    await sendRaw(publicPort.url, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(performance.now() - startedAt).to.be.lessThan(5_000);
  });

  it('cuts off a client that reads nothing of its answer, but not one that reads slowly', async () => {
    const chunk = Buffer.alloc(64 * 2 ** 10);
    const size = 512 * chunk.length;
    let cut = 0;
    await start((request, response) => {
      request.socket.once('close', () => (cut += response.writableFinished ? 0 : 1));
      Readable.from(Array.from({ length: 512 }, () => chunk)).pipe(response);
    });
    const ask = (): Socket => {
      const { hostname, port } = new URL(publicPort.url);
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      return socket;
    };
    ask().pause();
    const slow = ask();
    let received = 0;
    // An eighth of the answer at a time, each sooner than a stalled client is noticed.
    slow.on('data', (piece) => {
      const eighth = Math.floor(received / (size / 8));
      received += piece.length;
      if (Math.floor(received / (size / 8)) === eighth) return;
      slow.pause();
      setTimeout(() => slow.resume(), LIMITS.stalledMs / 2);
    });
    await until('the whole answer', () => received > size);
    await until('the cut', () => cut === 1);
  });

  it('answers requests that arrived while it stalled, also when it drains', async () => {
    await start((_request, response) => response.end('done'));
    const go = new Int32Array(new SharedArrayBuffer(4));
    const client = new Worker(PATIENT_CLIENT, {
      eval: true,
      workerData: { go, port: Number(new URL(publicPort.url).port) },
    });
    const [idle] = (await once(client, 'message')) as [string];
    expect(idle).to.equal('idle');
    const drained = server.drain(2_000);
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    // The event loop stalls for longer than an idle connection may last, as on an overloaded machine.
    Atomics.wait(go, 0, 1, 600);
    const [answer] = (await once(client, 'message')) as [string];
    expect(answer).to.match(/^HTTP\/1\.1 200 /);
    await drained;
  });

  it('answers clients that wait to be accepted when it drains, and tells none to leave before the port is closed', async () => {
    const goodbyes: boolean[] = [];
    await start((_request, response) => {
      goodbyes.push(!response.shouldKeepAlive);
      response.end('done');
    });
    const go = new Int32Array(new SharedArrayBuffer(4));
    const connected = new Int32Array(new SharedArrayBuffer(4));
    const crowd = new Worker(CROWD, {
      eval: true,
      workerData: { size: 50, port: Number(new URL(publicPort.url).port), go, connected },
    });
    await once(crowd, 'online');
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    // No connection is accepted meanwhile: the kernel completes them, and they wait.
    expect(Atomics.wait(connected, 0, 0, 10_000)).not.to.equal('timed-out');
    const drained = server.drain(2_000);
    const [outcomes] = (await once(crowd, 'message')) as [string[]];
    expect(new Set(outcomes)).to.deep.equal(new Set(['HTTP/1.1 200 OK']));
    expect(goodbyes[0]).to.equal(false);
    await drained;
  });

  it('finishes all requests under way before it is drained, and then accepts no connection', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let arrived = 0;
    await start(async (_request, response) => {
      arrived += 1;
      await released;
      response.end('done');
    });
    const answers = Array.from({ length: 5 }, async () => send('GET', `${publicPort.url}/`));
    await until('the requests', () => arrived === 5);
    const drained = server.drain(3_000);
    await delay(20);
    release();
    for (const answer of await Promise.all(answers))
      expect([answer.status, answer.text]).to.deep.equal([200, 'done']);
    await drained;
    const refused = await send('GET', `${publicPort.url}/`).catch(
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(refused).to.equal('ECONNREFUSED');
  });

  it('serves a request that arrives on a kept connection while draining, and closes it then', async () => {
    await start((_request, response) => response.end('done'));
    const { hostname, port } = new URL(publicPort.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the first answer', () => received.includes('done'));
    const drained = server.drain(3_000);
    const connectsNow = async (): Promise<unknown> =>
      send('GET', `${publicPort.url}/`).catch((error: NodeJS.ErrnoException) => error.code);
    await until('the port to be closed', async () => (await connectsNow()) === 'ECONNREFUSED', {
      timeoutMs: 1_000,
      everyMs: 1,
    });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await drained;
    await until('the end of the connection', () => socket.closed);
    expect(received.match(/HTTP\/1\.1 200 OK/g)).to.have.length(2);
    expect(received).to.match(/connection: close/i);
  });

  it('cuts connections that do not end in time', async () => {
    await start(() => undefined);
    const hanging = send('GET', `${publicPort.url}/`).catch((error: unknown) => error);
    await delay(50);
    const startedAt = performance.now();
    await server.drain(300);
    expect(performance.now() - startedAt).to.be.within(250, 1_500);
    expect(await hanging).to.be.instanceOf(Error);
  });
});
