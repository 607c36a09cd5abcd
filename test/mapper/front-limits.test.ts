import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { FrontHandler } from '../../mapper/http/front.ts';
import { openPublicPort, type PublicPort } from '../../mapper/http/public-port.ts';
import { findUsualRequest } from '../../mapper/http/usual-request.ts';
import type { Reply } from '../../mapper/http/reply.ts';
import { startServer, type PublicServer } from '../../mapper/http/server.ts';
import { until } from '../until.ts';
import { sendRaw } from './client.ts';

const LIMITS = { headersTimeoutMs: 200, requestTimeoutMs: 400, keepAliveTimeoutMs: 300, stalledMs: 300 };

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** Blocks the event loop for longer than anybody may be silent. */
function block(): void {
  const untilMs = performance.now() + 3 * LIMITS.headersTimeoutMs;
  while (performance.now() < untilMs);
}

interface Client {
  readonly socket: Socket;
  readonly received: () => string;
  /** In order, what the front has answered (`<path>`) and what Node has (`(path)`). */
  readonly answers: () => string[];
}

describe('a connection that the front serves', () => {
  let port: PublicPort;
  let server: PublicServer;
  let waiting: Reply[];
  const sockets: Socket[] = [];

  /** Answers everything immediately, except paths that begin with `/late`. */
  const usual: FrontHandler = ({ path }, _bytes, reply) => {
    if (path.startsWith('/late')) waiting.push(reply);
    else finish(reply);
    return true;
  };

  beforeEach(async () => {
    waiting = [];
    port = await openPublicPort({ host: '127.0.0.1', port: 0 }, false);
    const any = async (
      request: { url?: string | undefined },
      response: { end(text: string): void },
    ): Promise<void> => {
      await turn();
      response.end(`(${request.url})`);
    };
    server = await startServer(
      { any, usual: () => ({ find: findUsualRequest, handle: usual }) },
      port,
      LIMITS,
    );
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server.drain(100);
    await until('no connection', () => server.connections().front + server.connections().node === 0);
  });

  function finish(reply: Reply, body = `<${reply.url}>`): void {
    const headers = ['X-Request-Id', '', 'Content-Length', String(body.length)];
    reply.sendPrepared({ status: 200, reason: 'OK', headers, body }, 'id');
  }

  function open(): Client {
    const socket = connect({ port: Number(new URL(port.url).port), host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('end', () => socket.end()).on('error', () => undefined);
    return {
      socket,
      received: () => text,
      answers: () => [...text.matchAll(/[<(](\/[^>)]*)[>)]/g)].map(([answer]) => answer),
    };
  }

  /** A connection on which the front has answered a request. */
  async function openKept(): Promise<Client> {
    const client = open();
    client.socket.write(get('/first'));
    await until('the first answer', () => client.answers().length === 1);
    expect(server.connections().front).to.be.at.least(1);
    return client;
  }

  async function untilClosed({ socket }: Client): Promise<void> {
    await until('the end of the connection', () => socket.closed);
  }

  /** Until the server has read the FIN of the client whose request waits. A busy system delivers it later. */
  async function untilHalfClosed(): Promise<void> {
    await until('the FIN', () => waiting[0]?.peer?.readableEnded === true);
  }

  it('is told that it sent nothing, and closed', async () => {
    const answer = await sendRaw(port.url, '');
    expect(answer).to.match(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(answer)
      .to.include('application/problem+json')
      .and.to.match(/\r\nConnection: close\r\n/);
  });

  it('is answered when its request came while the event loop was blocked', async () => {
    const client = open();
    await until('the connection', () => server.connections().front === 1);
    // After this, timers run before sockets are read.
    await turn();
    client.socket.write(get('/in-time'));
    block();
    await until('an answer', () => client.received() !== '');
    expect(client.answers()).to.deep.equal(['</in-time>']);
  });

  it('is not late when it was made while the event loop was blocked', async () => {
    await turn();
    const client = open();
    block();
    client.socket.write(get('/new'));
    await until('an answer', () => client.received() !== '');
    expect(client.answers()).to.deep.equal(['</new>']);
  });

  it('is told that a request is too slow, also after a usual one', async () => {
    for (const part of [
      'G',
      'GET /slow HTTP/1.1\r\nHost: x\r\n',
      'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{',
    ]) {
      const client = await openKept();
      client.socket.write(part);
      await untilClosed(client);
      if (!part.startsWith('POST')) expect(client.received(), part).to.include('HTTP/1.1 408 ');
    }
  });

  it('ends when no request comes for the time of keep-alive and the second of grace', async () => {
    const client = await openKept();
    const keptAtMs = performance.now();
    expect(client.received()).to.match(/\r\nConnection: keep-alive\r\nKeep-Alive: timeout=0\r\n/);
    await untilClosed(client);
    expect(performance.now() - keptAtMs).to.be.within(LIMITS.keepAliveTimeoutMs, 5_000);
    expect(client.answers()).to.deep.equal(['</first>']);
  });

  it('stays open while requests come', async () => {
    const client = await openKept();
    const endMs = performance.now() + 2.5 * (LIMITS.keepAliveTimeoutMs + 1_000);
    await until(
      'many answers',
      () => {
        client.socket.write(get('/again'));
        return performance.now() > endMs;
      },
      { everyMs: 100 },
    );
    expect(client.socket.closed).to.equal(false);
    expect(server.connections()).to.deep.equal({ front: 1, node: 0 });
  });

  it('stays open while an answer is due for longer than the time of keep-alive', async () => {
    const client = await openKept();
    client.socket.write(get('/late'));
    const endMs = performance.now() + 1.5 * (LIMITS.keepAliveTimeoutMs + 1_000);
    await until('the time to pass', () => performance.now() > endMs);
    finish(waiting.pop() as Reply);
    await until('the answer', () => client.answers().length === 2);
  });

  it('gets its answers in order, from the front and then from Node', async () => {
    const client = open();
    client.socket.write(get('/late1') + get('/2') + get('/late3') + get('/4') + get('/%35') + get('/6'));
    await until('the first request', () => waiting.length === 1);
    await turn();
    expect(client.answers()).to.deep.equal([]);
    finish(waiting.pop() as Reply);
    await until('the third request', () => waiting.length === 1);
    client.socket.write(get('/7'));
    finish(waiting.pop() as Reply);
    await until('all answers', () => client.answers().length === 7);
    expect(client.answers()).to.deep.equal([
      '</late1>',
      '</2>',
      '</late3>',
      '</4>',
      '(/%35)',
      '(/6)',
      '(/7)',
    ]);
    expect(server.connections()).to.deep.equal({ front: 0, node: 1 });
  });

  describe('that the client half-closes', () => {
    it('is closed when nothing is due', async () => {
      const client = await openKept();
      client.socket.end();
      await untilClosed(client);
    });

    it('gets the answer that is due, which says that it closes', async () => {
      const client = await openKept();
      client.socket.end(get('/late'));
      await until('the request', () => waiting.length === 1);
      await untilHalfClosed();
      finish(waiting.pop() as Reply);
      await untilClosed(client);
      expect(client.answers()).to.deep.equal(['</first>', '</late>']);
      expect(client.received()).to.match(/\r\nConnection: close\r\n\r\n<\/late>$/);
    });

    it('gets all answers, of which only the last says that it closes', async () => {
      const client = await openKept();
      client.socket.end(get('/late') + get('/2') + get('/late3'));
      await until('the request', () => waiting.length === 1);
      finish(waiting.pop() as Reply);
      await until('the last request', () => waiting.length === 1);
      await untilHalfClosed();
      finish(waiting.pop() as Reply);
      await untilClosed(client);
      expect(client.answers().slice(1)).to.deep.equal(['</late>', '</2>', '</late3>']);
      expect(client.received().match(/Connection: close/g)).to.have.length(1);
      expect(client.received()).to.match(/\r\nConnection: close\r\n\r\n<\/late3>$/);
    });

    it('is told that the request behind is incomplete, or gets its answer if that needs no body', async () => {
      const heads = {
        '400': 'GET /half HTTP/1.1\r\nHost',
        '200': 'PUT /half HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{',
      };
      for (const [status, half] of Object.entries(heads)) {
        const client = await openKept();
        client.socket.end(get('/late') + half);
        await until('the request', () => waiting.length === 1);
        for (let turns = 0; turns < 10; turns += 1) await turn();
        finish(waiting.pop() as Reply);
        await untilClosed(client);
        const statuses = [...client.received().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => code);
        expect(statuses, client.received()).to.deep.equal(['200', '200', status]);
      }
    });
  });

  describe('in a drain', () => {
    it('gets the answer that is due, which says that it closes, and nothing behind it', async () => {
      const client = open();
      client.socket.write(get('/late') + get('/behind'));
      await until('the request', () => waiting.length === 1);
      const drained = server.drain(3_000);
      await untilRefused();
      finish(waiting.pop() as Reply);
      await untilClosed(client);
      expect(client.answers()).to.deep.equal(['</late>']);
      expect(client.received()).to.match(/\r\nConnection: close\r\n/);
      await drained;
    });

    it('may send one more request, and is closed when it is idle', async () => {
      const idle = await openKept();
      const asking = await openKept();
      const silent = open();
      await until('the connections', () => server.connections().front === 3);
      const startedMs = performance.now();
      const drained = server.drain(10_000);
      await untilRefused();
      asking.socket.write(get('/last'));
      const askedMs = performance.now() - startedMs;
      await drained;
      expect(performance.now() - startedMs).to.be.lessThan(5_000);
      for (const client of [idle, asking, silent]) await untilClosed(client);
      // On a busy machine it may have been closed as idle before.
      if (askedMs < 200) {
        expect(asking.answers()).to.deep.equal(['</first>', '</last>']);
        expect(asking.received()).to.match(/\r\nConnection: close\r\n\r\n<\/last>$/);
      }
      expect(idle.received()).not.to.include('Connection: close');
    });

    it('is cut when its answer does not come in time', async () => {
      const client = open();
      client.socket.write(get('/late'));
      await until('the request', () => waiting.length === 1);
      await server.drain(200);
      await untilClosed(client);
      finish(waiting.pop() as Reply);
    });

    async function untilRefused(): Promise<void> {
      const isRefused = async (): Promise<boolean> =>
        sendRaw(port.url, '').then(
          () => false,
          () => true,
        );
      await until('the port to be closed', isRefused, { timeoutMs: 1_000, everyMs: 1 });
    }
  });

  it('is cut when the client reads nothing of its answers, and little of it waits', async () => {
    const client = open();
    client.socket.pause();
    const body = `<${'x'.repeat(1_000)}>`;
    let begun = 0;
    const many = Buffer.from(get('/late').repeat(1_000));
    const fill = (): void => {
      while (!client.socket.destroyed && client.socket.write(many));
    };
    client.socket.on('drain', fill);
    fill();
    await until('the first request', () => waiting.length > 0);
    await until(
      'the cut',
      () => {
        for (const reply of waiting.splice(0)) {
          begun += 1;
          finish(reply, body);
        }
        return server.connections().front === 0;
      },
      { everyMs: 1 },
    );
    // As much as the kernel and both processes buffer.
    expect(begun * 1_000).to.be.lessThan(20 * 2 ** 20);
  });

  it('is not read while an answer is due', async () => {
    const client = open();
    client.socket.write(get('/late'));
    await until('the request', () => waiting.length === 1);
    const pieces = 1_000;
    const piece = Buffer.alloc(2 ** 16, get('/behind'));
    let taken = 0;
    const write = (): void => void client.socket.write(piece, () => (taken += 1) < pieces && write());
    write();
    let takenBefore = -1;
    let still = 0;
    await until(
      'the client to be stuck',
      () => {
        still = taken === takenBefore ? still + 1 : 0;
        takenBefore = taken;
        return still === 5;
      },
      { everyMs: 100 },
    );
    // As much as the kernel and both processes buffer.
    expect(taken).to.be.lessThan(pieces / 8);
    finish(waiting.pop() as Reply);
    await until('the next answers', () => client.answers().length > 100);
  });

  it('may break off while an answer is due', async () => {
    for (const [index, bytes] of [
      get('/late'),
      get('/late') + get('/2'),
      get('/late') + get('/%33'),
      `${get('/late')}GARBAGE`,
    ].entries()) {
      const client = open();
      client.socket.write(bytes);
      await until('the request', () => waiting.length === 1);
      client.socket.resetAndDestroy();
      if (index % 2 === 0) await until('the end', () => server.connections().front === 0);
      finish(waiting.pop() as Reply);
      await until('no connection', () => server.connections().front + server.connections().node === 0);
    }
  });
});
