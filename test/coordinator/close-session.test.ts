import { expect } from 'chai';
import { closeSession } from '../../coordinator/close-session.ts';
import { parseConnectString } from '../../coordinator/connect-string.ts';
import { Connection } from '../../coordinator/connection.ts';
import type { Session, SessionCredentials } from '../../coordinator/session.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { Harness, log, T } from './harness.ts';

describe('closing a session from outside', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(async () => {
    await harness.stop();
  });

  it('takes hardly longer than the stagger when one server hangs', async () => {
    harness.proxies[0]?.acceptWithoutAnswering();
    const witness = await harness.openDirect();
    for (let round = 0; round < 4; round += 1) {
      const credentials = await orphan(`/mine-${round}`);
      const began = ranMs();
      const signal = AbortSignal.timeout(5000);
      expect(await closeSession({ connect: harness.connect, credentials, log, signal })).to.equal('closed');
      expect(ranMs() - began).to.be.lessThan(600);
      await untilGone(witness, `/mine-${round}`);
    }
  });

  it('reports a session that the ensemble does not have as expired, which is final', async () => {
    const session = await harness.openDirect();
    const { credentials } = session;
    await session.close();
    const signal = AbortSignal.timeout(5000);
    expect(await closeSession({ connect: harness.connect, credentials, log, signal })).to.equal('expired');
  });

  it('repeats until the ensemble can be reached, and then closes the session', async () => {
    const credentials = await orphan('/mine');
    harness.each((proxy) => proxy.silence());
    const closing = closeSession({
      connect: harness.connect,
      credentials,
      log,
      signal: AbortSignal.timeout(10_000),
    });
    const connections = (): number => harness.proxies.reduce((sum, { accepted }) => sum + accepted, 0);
    const before = connections();
    await until('a second round', () => connections() >= before + 4);
    harness.each((proxy) => proxy.heal());
    expect(await closing).to.be.oneOf(['closed', 'expired']);
    const witness = await harness.openDirect();
    await untilGone(witness, '/mine');
  });

  it('also closes a session whose process is alive and attaches again and again', async () => {
    for (let round = 0; round < 5; round += 1) {
      const session = await harness.openDirect();
      const signal = AbortSignal.timeout(5000);
      await closeSession({ connect: harness.direct, credentials: session.credentials, log, signal });
      await until('its process to notice', () => session.state === 'expired');
    }
  });

  it('can be aborted', async () => {
    const credentials = await orphan('/mine');
    harness.each((proxy) => proxy.silence());
    const controller = new AbortController();
    const closing = closeSession({ connect: harness.connect, credentials, log, signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(String(await closing.catch((error: unknown) => error))).to.equal('Error: enough');
  });

  it('succeeds although the answer is cut off, because the ensemble has closed the session', async () => {
    const credentials = await orphan('/mine');
    harness.each((proxy) =>
      proxy.cutBeforeReplyTo((sent) => sent.length >= 12 && sent.readInt32BE(8) === -11),
    );
    const signal = AbortSignal.timeout(5000);
    expect(await closeSession({ connect: harness.connect, credentials, log, signal })).to.equal('closed');
    const witness = await harness.openDirect();
    await untilGone(witness, '/mine');
  });

  /** Waits for much less than the session timeout. The server of the witness may lag behind the other one. */
  async function untilGone(witness: Session, path: string): Promise<void> {
    const isGone = async (): Promise<boolean> => (await witness.exists(path)) === undefined;
    await until(`${path} to be gone`, isGone, { timeoutMs: T / 4, everyMs: 2, clock: ranMs });
  }

  /**
   * What a killed process leaves behind: a session with an ephemeral node, to which no client attaches again.
   */
  async function orphan(path: string): Promise<SessionCredentials> {
    const { servers, chroot } = parseConnectString(harness.direct);
    const [server] = servers;
    if (server === undefined) throw new Error('no server');
    const connection = await Connection.open({ server, chroot, timeoutMs: 10 * T, handshakeMs: 2000, log });
    await connection.create(path, '', true, 2000);
    connection.destroy('killed');
    return connection.credentials;
  }
});
