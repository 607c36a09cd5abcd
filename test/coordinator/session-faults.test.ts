import { expect } from 'chai';
import { isCoordinationError } from '../../coordinator/errors.ts';
import { Session, type SessionState } from '../../coordinator/session.ts';
import { isZooKeeperCreate } from '../../drills/proxy/proxy.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { Harness, log, reattached, T } from './harness.ts';

describe('session: faults of the network and of the client library', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(async () => {
    await harness.stop();
  });

  async function codeOf(work: Promise<unknown>): Promise<string> {
    return work.then(
      () => 'no error',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
    );
  }

  function statesOf(session: Session): SessionState[] {
    const states: SessionState[] = [];
    session.on('stateChanged', (state) => states.push(state));
    return states;
  }

  it('a silent network: suspended after 2/3 T, lost at T, and expired only when the ensemble says so', async () => {
    const session = await harness.open();
    const states = statesOf(session);
    await session.create('/mine', '', { ephemeral: true });
    harness.each((proxy) => proxy.silence());
    const began = ranMs();
    await until('suspended', () => session.state === 'suspended');
    expect(ranMs() - began).to.be.lessThan(T * 0.9);
    expect(session.mayWrite()).to.equal(false);
    await until('lost', () => session.state === 'lost');
    expect(ranMs() - began).to.be.lessThan(T * 1.2);
    const witness = await harness.openDirect();
    await until('the ensemble to expire it', async () => (await witness.exists('/mine')) === undefined);
    expect(session.ended.aborted).to.equal(false);
    harness.each((proxy) => proxy.heal());
    await until('expired', () => session.state === 'expired');
    expect(session.ended.aborted).to.equal(true);
    expect(session.isOver).to.equal(true);
    expect(states).to.deep.equal(['suspended', 'lost', 'expired']);
  });

  it('one silent server: the same session continues over another one', async () => {
    const session = await harness.open();
    const { id, attachments } = session;
    await session.create('/mine', 'x', { ephemeral: true });
    harness.proxyOf(session).silence();
    await reattached(session, attachments);
    expect(session.id).to.equal(id);
    expect((await session.get('/mine'))?.stat.ephemeralOwner).to.equal(id);
  });

  it('operations on a silent server are rejected in bounded time, and immediately once the silence is noticed', async () => {
    const session = await harness.open();
    harness.each((proxy) => proxy.silence());
    const began = ranMs();
    expect(await codeOf(session.get('/'))).to.equal('OUTCOME_UNKNOWN');
    expect(ranMs() - began).to.be.lessThan(T * 0.9);
    const again = ranMs();
    expect(await codeOf(session.get('/'))).to.equal('NOT_CONNECTED');
    expect(ranMs() - again).to.be.lessThan(T / 10);
  });

  it('a server that accepts and never answers hardly delays the opening', async () => {
    harness.proxies[0]?.acceptWithoutAnswering();
    for (let round = 0; round < 5; round += 1) {
      const began = ranMs();
      const session = await harness.open();
      expect(ranMs() - began).to.be.lessThan(450);
      await session.close();
    }
  });

  it('no server answers: opening fails in bounded time and leaves no connection behind', async () => {
    harness.each((proxy) => proxy.acceptWithoutAnswering());
    const [began, beganMs] = [ranMs(), performance.now()];
    const opening = Session.open({ connect: harness.connect, timeoutMs: T, log, openTimeoutMs: 1200 });
    expect(await codeOf(opening)).to.equal('UNAVAILABLE');
    expect(performance.now() - beganMs).to.be.at.least(1100);
    expect(ranMs() - began).to.be.at.most(1900);
    await until('connections to be gone', () => harness.proxies.every(({ open }) => open === 0));
  });

  it('opening can be aborted', async () => {
    harness.each((proxy) => proxy.acceptWithoutAnswering());
    const controller = new AbortController();
    const opening = Session.open({ connect: harness.connect, timeoutMs: T, log, signal: controller.signal });
    controller.abort(new Error('not any more'));
    expect(String(await opening.catch((error: unknown) => error))).to.equal('Error: not any more');
  });

  it('a cut in the middle of the handshake: half a packet does not disturb the next attempt', async () => {
    for (const bytes of [0, 1, 3, 4, 5, 20, 40]) {
      harness.each((proxy) => proxy.cutAfter(bytes));
      const session = await harness.open();
      expect(session.mayWrite()).to.equal(true);
      await session.close();
    }
  });

  it('a cut in the middle of an answer: the operation is rejected, and the session continues', async () => {
    const session = await harness.open();
    await session.create('/big', 'x'.repeat(100_000), { ephemeral: false });
    for (const bytes of [1, 2, 4, 19, 21, 50_000]) {
      const { attachments } = session;
      harness.proxyOf(session).cutAfter(bytes);
      expect(await codeOf(session.get('/big'))).to.be.oneOf(['OUTCOME_UNKNOWN', 'NOT_CONNECTED']);
      await reattached(session, attachments);
      harness.each((proxy) => proxy.heal());
      expect((await session.get('/big'))?.data.length).to.equal(100_000);
    }
  });

  it('a cut before the answer to create: unknown to the caller, executed by the ensemble, and ours', async () => {
    const session = await harness.open();
    const { attachments } = session;
    harness.proxyOf(session).cutBeforeReplyTo(isZooKeeperCreate);
    expect(await codeOf(session.create('/mine', 'x', { ephemeral: true }))).to.equal('OUTCOME_UNKNOWN');
    await reattached(session, attachments);
    const node = await until('the node', async () => session.get('/mine'));
    expect(node.stat.ephemeralOwner).to.equal(session.id);
  });

  it('many cuts in a row: one session, no pile of connections', async () => {
    const session = await harness.open();
    const { id } = session;
    for (let round = 0; round < 20; round += 1) {
      const { attachments } = session;
      harness.proxyOf(session).cut();
      await reattached(session, attachments);
    }
    expect(session.id).to.equal(id);
    await until('one connection', () => harness.proxies.reduce((sum, { open }) => sum + open, 0) === 1);
  });

  it('servers that cut every handshake get a bounded number of attempts', async () => {
    const session = await harness.open();
    harness.each((proxy) => proxy.mangleAnswers(() => Buffer.alloc(0)));
    harness.each((proxy) => proxy.cut());
    const cutting = setInterval(() => harness.each((proxy) => proxy.cut()), 5);
    const before = harness.proxies.reduce((sum, { accepted }) => sum + accepted, 0);
    const began = performance.now();
    await until('a second', () => performance.now() - began > 1000);
    clearInterval(cutting);
    const attempts = harness.proxies.reduce((sum, { accepted }) => sum + accepted, 0) - before;
    expect(attempts).to.be.within(3, 40);
    harness.each((proxy) => proxy.heal());
    harness.each((proxy) => proxy.cut());
    await until(
      'the session to be connected or expired',
      () => session.state === 'connected' || session.state === 'expired',
    );
  });

  it('an error code that the library does not know: the operation is refused, and the session continues', async () => {
    const session = await harness.open();
    const { attachments } = session;
    harness.proxyOf(session).mangleAnswers((piece) => withErrorCode(piece, -127));
    expect(await codeOf(session.create('/refused', '', { ephemeral: false }))).to.equal('REFUSED');
    harness.each((proxy) => proxy.heal());
    expect(await codeOf(session.create('/taken', '', { ephemeral: false }))).to.equal('no error');
    expect(session.attachments).to.equal(attachments);
  });

  it('"session moved" and "session expired" in an answer: the session attaches again to find out', async () => {
    const session = await harness.open();
    for (const code of [-118, -112]) {
      const { attachments } = session;
      harness.proxyOf(session).mangleAnswers((piece) => withErrorCode(piece, code));
      expect(await codeOf(session.create('/moved', '', { ephemeral: false }))).to.equal('OUTCOME_UNKNOWN');
      harness.each((proxy) => proxy.heal());
      await reattached(session, attachments);
    }
  });

  it('nonsense instead of answers: no exception escapes, and the session continues', async () => {
    const session = await harness.open();
    const { id } = session;
    const nonsense = [
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      Buffer.from([0, 0, 0, 2, 1, 2]),
      Buffer.from([0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0, 0, 0, 0]),
      notification(99),
      notification(7),
      Buffer.concat([Buffer.from([0, 0, 0, 16]), Buffer.alloc(16)]),
    ];
    for (const bytes of nonsense) {
      const { attachments } = session;
      harness.proxyOf(session).mangleAnswers(() => bytes);
      await session.get('/').catch(() => undefined);
      harness.each((proxy) => proxy.heal());
      await reattached(session, attachments);
      await until('an answer', async () => session.get('/'));
    }
    expect(session.id).to.equal(id);
  });

  it('an operation that was rejected while suspended is never sent later', async () => {
    const session = await harness.open();
    harness.each((proxy) => proxy.mangleAnswers(() => Buffer.alloc(0)));
    harness.each((proxy) => proxy.cut());
    await until('suspended', () => session.state === 'suspended');
    const { attachments } = session;
    expect(await codeOf(session.create('/late', '', { ephemeral: false }))).to.equal('NOT_CONNECTED');
    harness.each((proxy) => proxy.heal());
    harness.each((proxy) => proxy.cut());
    await reattached(session, attachments);
    expect(await session.get('/late')).to.equal(undefined);
  });

  it('closing takes a bounded time, also on a silent network, and nothing reconnects afterwards', async () => {
    const session = await harness.open();
    harness.each((proxy) => proxy.silence());
    const began = ranMs();
    await session.close();
    expect(ranMs() - began).to.be.lessThan(2000);
    expect(session.isOver).to.equal(false);
    harness.each((proxy) => proxy.heal());
    const before = harness.proxies.map(({ accepted }) => accepted);
    await until('connections to be gone', () => harness.proxies.every(({ open }) => open === 0));
    const quiet = performance.now();
    await until('half a second', () => performance.now() - quiet > 500);
    expect(harness.proxies.map(({ accepted }) => accepted)).to.deep.equal(before);
  });

  it('closing does not wait for a server that hangs', async () => {
    const session = await harness.open();
    const witness = await harness.openDirect();
    await session.create('/mine', '', { ephemeral: true });
    harness.proxyOf(session).silence();
    const began = ranMs();
    await session.close();
    expect(ranMs() - began).to.be.lessThan(800);
    await until('the node to be gone', async () => (await witness.exists('/mine')) === undefined);
  });

  it('closing while suspended still closes the session on the ensemble', async () => {
    const session = await harness.open();
    const witness = await harness.openDirect();
    await session.create('/mine', '', { ephemeral: true });
    const gone = Promise.withResolvers<void>();
    await witness.exists('/mine', () => gone.resolve());
    harness.proxyOf(session).silence();
    await until('suspended', () => session.state !== 'connected' || !session.mayWrite());
    await session.close();
    await gone.promise;
    expect(await witness.exists('/mine')).to.equal(undefined);
  });

  it('a session can be closed twice, and rejects operations after that', async () => {
    const session = await harness.open();
    await Promise.all([session.close(), session.close()]);
    await session.close();
    expect(session.state).to.equal('closed');
    expect(session.isOver).to.equal(true);
    expect(session.mayWrite()).to.equal(false);
    expect(
      isCoordinationError(await session.get('/').catch((error: unknown) => error), 'NOT_CONNECTED'),
    ).to.equal(true);
  });

  it('a slow network does not suspend the session', async () => {
    const session = await harness.open();
    harness.each((proxy) => proxy.delay(T / 12));
    const states = statesOf(session);
    const began = performance.now();
    await until('two T', () => performance.now() - began > 2 * T);
    expect(states).to.deep.equal([]);
  });
});

/**
 * Sets the error code of an answer to an operation in a piece from the server. Watches and pings stay as they
 * are.
 */
function withErrorCode(piece: Buffer, code: number): Buffer {
  if (piece.length >= 20 && piece.readInt32BE(4) >= 0) piece.writeInt32BE(code, 16);
  return piece;
}

/** A watch event of a type that the library may not know. */
function notification(type: number): Buffer {
  const path = Buffer.from('/x');
  const packet = Buffer.alloc(4 + 16 + 4 + 4 + 4 + path.length);
  packet.writeInt32BE(packet.length - 4, 0);
  packet.writeInt32BE(-1, 4);
  packet.writeInt32BE(type, 20);
  packet.writeInt32BE(3, 24);
  packet.writeInt32BE(path.length, 28);
  path.copy(packet, 32);
  return packet;
}
