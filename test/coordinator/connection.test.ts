import { expect } from 'chai';
import { parseConnectString } from '../../coordinator/connect-string.ts';
import { Connection } from '../../coordinator/connection.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import { block } from '../block.ts';
import { testZooKeeper } from '../servers.ts';
import { Harness, log, T } from './harness.ts';

describe('a connection of a session, while the event loop of its process is blocked', () => {
  /** @param connect its first server is used */
  function open(connect: string, handshakeMs = 5_000): Promise<Connection> {
    const { servers, chroot } = parseConnectString(connect);
    const [server] = servers;
    if (server === undefined) throw new Error('no server');
    return Connection.open({ server, chroot, timeoutMs: T, handshakeMs, log });
  }

  it('reads the answers that have come, and goes on', async () => {
    const connection = await open((await testZooKeeper()).connect);
    try {
      for (let round = 0; round < 3; round++) {
        const answer = connection.children('/', 100);
        block(400);
        expect(await answer).to.be.an('array');
      }
      expect(connection.usable).to.equal(true);
    } finally {
      connection.destroy('the test is over');
    }
  });

  it('is opened', async () => {
    const opening = open((await testZooKeeper()).connect, 200);
    block(600);
    (await opening).destroy('the test is over');
  });

  it('still ends when its server does not answer', async () => {
    const harness = await Harness.start();
    try {
      const [proxy] = harness.proxies;
      if (proxy === undefined) throw new Error('no proxy');
      const connection = await open(harness.connectOnlyTo(proxy));
      proxy.silence();
      const answer = connection.children('/', 100).catch((error: unknown) => error);
      block(300);
      expect(String(await answer)).to.include(new DeadlineError('children /', 100).message);
      expect(connection.usable).to.equal(false);
    } finally {
      await harness.stop();
    }
  });
});
