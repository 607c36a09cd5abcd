import { expect } from 'chai';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createCheckedLookup } from '../../../mapper/webhooks/checked-lookup.ts';
import { Sender, type Attempt } from '../../../mapper/webhooks/sender.ts';
import { ranMs } from '../../ran-ms.ts';
import { NameServer } from './name-server.ts';

const TIMEOUT_MS = 300;
const NO_ANSWER = { status: null, reason: 'it did not answer within 0.3 s' };

describe('one attempt to deliver', () => {
  let server: Server;
  let names: NameServer;
  let behave: (socket: Socket) => void;
  const open = new Set<Socket>();

  before(async () => {
    names = await NameServer.open();
    server = createServer((socket) => {
      open.add(socket.on('close', () => open.delete(socket)).on('error', () => undefined));
      socket.once('data', () => behave(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    await names[Symbol.asyncDispose]();
    await new Promise((resolve) => server.close(resolve));
  });

  async function send(host = '127.0.0.1', signal = new AbortController().signal): Promise<Attempt> {
    const lookup = createCheckedLookup({ nameServers: [names.address], allowPrivate: true });
    const sender = new Sender({ lookup, timeoutMs: TIMEOUT_MS });
    const url = `http://${host}:${(server.address() as AddressInfo).port}/path?query`;
    return sender.send(url, { body: '{}', headers: { 'webhook-id': 'msg_1' } }, signal);
  }

  /** Sends a piece now and then, until the connection is closed. */
  function dribble(socket: Socket, head: string, piece: string): void {
    socket.write(head);
    const timer = setInterval(() => socket.write(piece), 20);
    socket.on('close', () => clearInterval(timer));
  }

  for (const [name, behaviour] of [
    ['answers nothing', () => undefined],
    [
      'sends headers without end, slowly',
      (socket: Socket) => dribble(socket, 'HTTP/1.1 200 OK\r\n', 'a: b\r\n'),
    ],
    [
      'never says more than to go on',
      (socket: Socket) => dribble(socket, '', 'HTTP/1.1 102 Processing\r\n\r\n'),
    ],
  ] as const)
    it(`ends where the receiver ${name}, and leaves no connection`, async () => {
      behave = behaviour;
      const startedMs = ranMs();
      const attempt = await send();
      expect(attempt.status).to.equal(null);
      if (name !== 'never says more than to go on') expect(attempt).to.deep.include(NO_ANSWER);
      expect(ranMs() - startedMs).to.be.below(2_000);
      while (open.size > 0) await new Promise(setImmediate);
    });

  for (const [name, head, piece] of [
    ['is long', 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n', 'x'],
    ['has no end', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\nx\r\n'],
  ] as const)
    it(`succeeds where the body comes slowly and ${name}`, async () => {
      behave = (socket) => dribble(socket, head, piece);
      expect(await send()).to.deep.include({ status: 200, reason: null });
      while (open.size > 0) await new Promise(setImmediate);
    });

  it('ends where the name server never answers', async () => {
    names.set('silent.example');
    expect(await send('silent.example')).to.deep.include(NO_ANSWER);
  });

  it('reaches a name by any of its addresses', async () => {
    names.set('two.example', ['127.0.0.2', '127.0.0.1']);
    behave = (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n');
    expect(await send('two.example')).to.deep.include({ status: 204, reason: null });
  });

  it('is cut when the process stops, and blames nobody', async () => {
    behave = () => stopping.abort();
    const stopping = new AbortController();
    expect(await send('127.0.0.1', stopping.signal)).to.include({ status: null, isCut: true });
    expect(await send('127.0.0.1', stopping.signal)).to.include({ status: null, isCut: true });
  });
});
