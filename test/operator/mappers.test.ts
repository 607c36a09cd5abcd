import { expect } from 'chai';
import { join, type Membership } from '../../coordinator/membership.ts';
import { mapperPath, PATHS } from '../../coordinator/paths.ts';
import { startAdminPort } from './admin-port.ts';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:1';

describe('keymill mappers', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await openTestCluster();
    await cluster.session.ensurePath(PATHS.mappers);
  });

  after(async () => cluster[Symbol.asyncDispose]());

  async function forget(...args: string[]): ReturnType<typeof runKeymill> {
    return runKeymill(['mappers', 'forget', ...args], cluster.env);
  }

  /** Registers a mapper like its process: it comes back when its node is deleted. */
  async function register(id: string, admin: string, host?: string): Promise<Membership> {
    const data = { id, url: 'http://127.0.0.1:8080', admin, host };
    const membership = join(cluster.session, mapperPath(id), data);
    await membership.joined;
    return membership;
  }

  async function exists(id: string): Promise<boolean> {
    return (await cluster.session.exists(mapperPath(id))) !== undefined;
  }

  it('lists the mappers, and names nodes that no mapper wrote', async () => {
    const member = await register('mapper-1', NOWHERE);
    await cluster.session.create(mapperPath('squatter'), '{}', { ephemeral: false });
    const { exitCode, stdout, stderr } = await runKeymill(['mappers', '--json'], cluster.env);
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({
      mappers: [{ id: 'mapper-1', url: 'http://127.0.0.1:8080', degraded: null }],
      unreachable: [],
    });
    expect(stderr).to.include('foreign: /mappers/squatter');
    await cluster.session.remove(mapperPath('squatter'), -1);
    await member.leave();
  });

  it('forgets a persistent node with everything below it, even one with the data of a mapper', async () => {
    const data = JSON.stringify({ id: 'mapper-1', url: 'http://127.0.0.1:8080', admin: NOWHERE });
    await cluster.session.create(mapperPath('left'), data, { ephemeral: false });
    await cluster.session.ensurePath(`${mapperPath('left')}/a/b`);
    const { exitCode, stdout } = await forget('left', '--json');
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({
      forgotten: { id: 'left', admin: NOWHERE, persistent: true },
    });
    expect(await exists('left')).to.equal(false);
  });

  it('refuses while the process answers, whatever it answers', async () => {
    await using admin = await startAdminPort({});
    const member = await register('mapper-1', admin.url);
    for (const args of [['mapper-1'], ['mapper-1', '--force']]) {
      const { exitCode, stderr } = await forget(...args);
      expect(exitCode).to.equal(1);
      expect(stderr).to.include(`mapper-1 answers at ${admin.url}`);
    }
    expect(await exists('mapper-1')).to.equal(true);
    await member.leave();
  });

  it('wants --force for a silent one whose session is alive, and says what that risks', async () => {
    const data = { id: 'mapper-1', url: 'http://127.0.0.1:8080', admin: NOWHERE };
    await cluster.session.create(mapperPath('mapper-1'), JSON.stringify(data), { ephemeral: true });
    const refused = await forget('mapper-1');
    expect(refused.exitCode).to.equal(1);
    expect(refused.stderr)
      .to.include(`does not answer at ${NOWHERE}`)
      .and.include('--force')
      .and.include('key_duplicates_total');
    expect(await exists('mapper-1')).to.equal(true);
    const forced = await forget('mapper-1', '--force');
    expect(forced).to.include({ exitCode: 0, stdout: 'forgot mapper-1\n' });
    expect(forced.stderr).to.include('key_duplicates_total');
    expect(await exists('mapper-1')).to.equal(false);
  });

  it('does not ask our own host for a mapper that another host has on its loopback', async () => {
    await using ours = await startAdminPort({ 'GET /livez': async () => ({ ok: true }) });
    const data = { id: 'mapper-1', url: 'http://127.0.0.1:8080', admin: ours.url, host: 'another-host' };
    await cluster.session.create(mapperPath('mapper-1'), JSON.stringify(data), { ephemeral: true });
    expect((await forget('mapper-1')).stderr).to.include('add --force');
    expect(ours.asked).to.deep.equal([]);
    await cluster.session.remove(mapperPath('mapper-1'), -1);
  });

  it('says so when the mapper registers itself again', async () => {
    const member = await register('mapper-1', NOWHERE);
    const { exitCode, stderr } = await forget('mapper-1', '--force');
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('has registered itself again');
    await member.leave();
  });

  it('refuses an id that has no node, and one that is none', async () => {
    const unknown = await forget('mapper-9');
    expect(unknown.exitCode).to.equal(1);
    expect(unknown.stderr).to.include('there is no /mappers/mapper-9');
    expect(await forget('a/b')).to.include({ exitCode: 2 });
  });
});
