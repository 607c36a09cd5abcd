import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { until } from '../until.ts';

describe('a proxy that lies', () => {
  const answers: Record<string, string> = {
    large: 'x'.repeat(1_000),
    small: 'ok',
    expect: 'HTTP/1.1 100 \r\n',
  };
  const asked: string[] = [];
  let server: Server;
  let proxy: FaultyProxy;
  const clients: Socket[] = [];

  beforeEach(async () => {
    asked.length = 0;
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (question) => {
        asked.push(String(question));
        socket.write(answers[String(question)] ?? '?');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await FaultyProxy.start({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await proxy.stop();
    server.close();
  });

  /** A client, and all that it has received. */
  function client(): { socket: Socket; received: () => string } {
    const socket = connect(proxy.port, '127.0.0.1');
    let text = '';
    socket.on('error', () => undefined).on('data', (piece) => (text += String(piece)));
    clients.push(socket);
    return { socket, received: () => text };
  }

  it('forwards answers in drips, and the rest at once when it is healed', async () => {
    const { socket, received } = client();
    proxy.drip({ bytes: 10, everyMs: 20 });
    socket.write('large');
    await until('the first drips', () => received().length > 0);
    expect(received().length).to.be.below(500);
    await until('a few more', () => received().length >= 50);
    proxy.heal();
    await until('all of it', () => received() === 'x'.repeat(1_000));
  });

  it('keeps the answer to one request back, and tells of it when the server has done it', async () => {
    const { socket, received } = client();
    let told = 0;
    proxy.whenAnswered(
      (sent) => String(sent) === 'large',
      () => (told += 1),
    );
    socket.write('small');
    await until('an answer', () => received() === 'ok');
    expect(told).to.equal(0);
    socket.write('large');
    await until('to be told', () => told === 1);
    expect(asked).to.deep.equal(['small', 'large']);
    socket.write('small');
    await until('the next request', () => asked.length === 3);
    const other = client();
    other.socket.write('large');
    await until('the answer on another connection', () => other.received().length === 1_000);
    expect({ told, received: received() }).to.deep.equal({ told: 1, received: 'ok' });
  });

  it('is silent from one request on, which the server gets when it is healed', async () => {
    const { socket, received } = client();
    const other = client();
    proxy.silenceFrom((sent) => String(sent) === 'large');
    for (const either of [socket, other.socket]) either.write('small');
    await until('the answers before', () => received() === 'ok' && other.received() === 'ok');
    socket.write('large');
    await until('the silence', () => proxy.isSilent);
    other.socket.write('small');
    proxy.heal();
    await until('all of it', () => received().length > 1_000 && other.received() === 'okok');
    expect(asked.toSorted()).to.deep.equal(['large', 'small', 'small', 'small']);
  });

  it('does not take "100 Continue" for an answer', async () => {
    const { socket, received } = client();
    let told = 0;
    proxy.whenAnswered(
      (sent) => String(sent) === 'expect',
      () => (told += 1),
    );
    socket.write('expect');
    await until('it', () => received().startsWith('HTTP/1.1 100'));
    expect(told).to.equal(0);
    socket.write('small');
    await until('to be told', () => told === 1);
  });
});
