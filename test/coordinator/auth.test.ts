import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'chai';
import { ACL, createClient, Id, Permission } from 'node-zookeeper-client';
import { createEnsembleId } from '../../coordinator/ensemble.ts';
import { isHeld, tryAcquire } from '../../coordinator/lock.ts';
import { join as joinMembers } from '../../coordinator/membership.ts';
import { lockPath, PATHS, producerPath } from '../../coordinator/paths.ts';
import { isOurRoot } from '../../coordinator/protection.ts';
import { Session } from '../../coordinator/session.ts';
import { startZooKeeper } from '../../scripts/servers/zookeeper.ts';
import { stopAtEnd, testFolder } from '../servers.ts';
import { until } from '../until.ts';
import { Harness, log, reattached, T } from './harness.ts';

const AUTH = 'keymill:a-secret';
const INFO = { owner: 'p1', host: 'h', pid: 1 };

/** The code with which an operation fails; `done` when it does not. */
async function codeOf(operation: Promise<unknown>): Promise<unknown> {
  return operation.then(
    () => 'done',
    (error: unknown) => (error as { code?: unknown }).code,
  );
}

describe('coordinator: credentials', () => {
  let harness: Harness;
  let ours: Session;

  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(async () => {
    await ours?.close();
    await harness.stop();
  });

  async function open(connect = harness.connect): Promise<Session> {
    ours = await Session.open({ connect, timeoutMs: T, auth: AUTH, log });
    return ours;
  }

  /** Everything that our processes make. */
  async function fill(session: Session): Promise<void> {
    await createEnsembleId(session);
    expect(isHeld(await tryAcquire(session, lockPath('keys-db-1'), INFO))).to.equal(true);
    await joinMembers(session, producerPath('p1'), {}).joined;
    await session.ensurePath(PATHS.mappers);
  }

  it('nobody else can create, change or delete our nodes, and everybody can read them', async () => {
    const stranger = await harness.openDirect();
    await fill(await open());
    const nodes = [PATHS.ensemble, lockPath('keys-db-1'), producerPath('p1')];
    for (const path of nodes) {
      expect((await stranger.get(path))?.data, path).to.equal((await ours.get(path))?.data);
      expect(await codeOf(stranger.set(path, 'changed', -1)), path).to.equal('NO_AUTH');
      expect(await codeOf(stranger.remove(path, -1)), path).to.equal('NO_AUTH');
    }
    for (const path of [PATHS.locks, PATHS.producers, PATHS.mappers, '']) {
      const child = `${path}/squatter`;
      expect(await codeOf(stranger.create(child, '', { ephemeral: true })), child).to.equal('NO_AUTH');
    }
    // A parent without children: who deletes it and creates it again keeps us out.
    expect(await codeOf(stranger.remove(PATHS.mappers, -1))).to.equal('NO_AUTH');
    expect(await stranger.children('/')).to.have.members(['keymill', 'mappers', 'producers', 'shard-locks']);
    expect(await stranger.children(PATHS.locks)).to.deep.equal(['keys-db-1']);
    await ours.remove(lockPath('keys-db-1'), -1);
  });

  it('a tree that was open is protected by the first session with credentials; the others keep their locks', async () => {
    const old = await harness.openDirect();
    await fill(old);
    await harness.untilEverywhere(PATHS.mappers);
    await open();
    expect(await codeOf(old.create(lockPath('keys-db-2'), '', { ephemeral: true }))).to.equal('NO_AUTH');
    expect(await codeOf(old.set(PATHS.ensemble, 'x', -1))).to.equal('NO_AUTH');
    // Its heartbeats go on, and it may change what it made before. It may reconnect once the machine has
    // stood still, but not again and again.
    let [since, { attachments }] = [performance.now(), old];
    await until('a session timeout to pass on one connection', () => {
      if (old.state !== 'connected' || old.attachments !== attachments)
        [since, { attachments }] = [performance.now(), old];
      return performance.now() - since > T;
    });
    await old.set(lockPath('keys-db-1'), '{}', -1);
    await old.close();
    await until('the lock to be free', async () => (await ours.exists(lockPath('keys-db-1'))) === undefined);
    expect(isHeld(await tryAcquire(ours, lockPath('keys-db-1'), INFO))).to.equal(true);
  });

  it('are sent on every new connection of a session, before its first operation', async () => {
    await fill(await open());
    for (let cut = 0; cut < 5; cut += 1) {
      const { attachments } = ours;
      harness.each((proxy) => proxy.cut());
      await reattached(ours, attachments);
      await ours.create(lockPath(`keys-db-${cut + 2}`), '', { ephemeral: true });
    }
  });

  it('without them or with wrong ones, no session is opened on a protected tree, and the error says why', async () => {
    await fill(await open());
    const cases = [
      [undefined, 'KEYMILL_ZOOKEEPER_AUTH is not set'],
      ['keymill:wrong', 'belongs to other credentials than those of KEYMILL_ZOOKEEPER_AUTH'],
    ] as const;
    for (const [auth, why] of cases) {
      const opening = Session.open({ connect: harness.direct, timeoutMs: T, auth, log, openTimeoutMs: 300 });
      const error = await opening.then(async (session) => session.close()).catch((caught: unknown) => caught);
      expect(error).to.be.an('error').with.property('code', 'UNAVAILABLE');
      expect(error).to.have.property('message').that.includes(why).and.not.includes('wrong');
    }
  });

  it('a server that does not accept them is named, and no operation waits for an answer', async () => {
    const dir = join(testFolder(), 'no-digest');
    const server = await stopAtEnd(
      startZooKeeper({
        dir,
        servers: 1,
        forceSync: false,
        logFile: (id) => join(dir, `${id}.log`),
        env: { ...process.env, JAVA_TOOL_OPTIONS: '-Dzookeeper.DigestAuthenticationProvider.enabled=false' },
      }),
    );
    const opening = Session.open({
      connect: server.connect,
      timeoutMs: T,
      auth: AUTH,
      log,
      openTimeoutMs: 400,
    });
    const error = await opening.then(async (session) => session.close()).catch((caught: unknown) => caught);
    expect(error)
      .to.have.property('message')
      .that.includes('does not accept the credentials of KEYMILL_ZOOKEEPER_AUTH');
    await server.stop();
  });

  it("protect ZooKeeper's own nodes where the whole ensemble is ours; no state of them keeps a session out", async () => {
    const dir = join(testFolder(), 'whole-ensemble');
    const logFile = (id: string): string => join(dir, `${id}.log`);
    const server = await stopAtEnd(startZooKeeper({ dir, servers: 1, forceSync: false, logFile }));
    const { connect } = server;
    const stranger = await Session.open({ connect, timeoutMs: T, log });
    await stranger.create('/zookeeper/made-before', '', { ephemeral: false });
    await fill(await open(connect));
    for (const path of ['/zookeeper/x', '/zookeeper/quota/shard-locks'])
      expect(await codeOf(stranger.create(path, '', { ephemeral: false })), path).to.equal('NO_AUTH');
    expect(await codeOf(stranger.remove('/zookeeper/made-before', -1))).to.equal('NO_AUTH');
    expect(await stranger.children('/zookeeper')).to.have.members(['config', 'made-before', 'quota']);
    expect((await stranger.get('/zookeeper/config'))?.data).to.be.a('string');
    await ours.create('/zookeeper/quota/shard-locks', '', { ephemeral: false });
    await stranger.close();
    await ours.close();

    // Writable for all, and nobody may change that; not even readable.
    const raw = createClient(connect);
    const connected = once(raw, 'connected');
    raw.connect();
    await connected;
    raw.addAuthInfo('digest', Buffer.from(AUTH));
    const setAcl = async (path: string, acl: ACL[]): Promise<void> => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      raw.setACL(path, acl, (error) => (error ? reject(new Error(String(error))) : resolve()));
      await promise;
    };
    const permissions = Permission.READ | Permission.CREATE | Permission.DELETE;
    await setAcl('/zookeeper/quota', [new ACL(permissions, new Id('world', 'anyone'))]);
    await setAcl('/zookeeper', [new ACL(Permission.ALL, new Id('ip', '192.0.2.1'))]);
    raw.close();
    await (await open(connect)).close();
    await server.stop();
  });

  it('protect the root when it is a chroot, or when no other program uses the ensemble', () => {
    const ownNames = ['zookeeper', 'shard-locks', 'producers', 'mappers', 'keymill'];
    expect(isOurRoot(false, ['zookeeper'])).to.equal(true);
    expect(isOurRoot(false, ownNames)).to.equal(true);
    expect(isOurRoot(false, [...ownNames, 'kafka'])).to.equal(false);
    expect(isOurRoot(true, [...ownNames, 'kafka'])).to.equal(true);
  });
});
