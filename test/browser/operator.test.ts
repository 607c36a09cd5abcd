import { expect } from 'chai';
import type { Locator } from 'playwright-core';
import { isCoordinationError } from '../../coordinator/errors.ts';
import { OWN_PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import { testCluster, untilHeld, untilMembers, type Cluster } from '../producer/cluster.ts';
import { testServices } from '../servers.ts';
import type { RedisServer } from '../servers/services.ts';
import { until } from '../until.ts';
import { Person } from './person.ts';
import { DESK, nameOf, PATIENCE, type Setting, SETTINGS } from './setting.ts';

const SHARD = 'keys-db-1';
/** What a push may take on a busy machine. */
const SEEN_MS = 30_000 * PATIENCE;
/** For ZooKeeper. */
const ANY_VERSION = -1;

const AT_A_DESK: Setting = { ...DESK, hands: 'keyboard' };

describe('an operator at the dashboard', function () {
  this.timeout(90_000 * PATIENCE);
  let cluster: Cluster;
  let pool: RedisServer;

  before(async () => {
    const services = await testServices();
    [cluster, pool] = await Promise.all([
      testCluster({ pools: 1 }),
      services.startRedis({ id: 'redis-of-operator' }),
    ]);
    const pools = `redis-1=${cluster.redis[0]?.url},redis-2=${pool.url()}`;
    for (const id of ['producer-1', 'producer-2']) cluster.start(id, { KEYMILL_REDIS: pools });
    await Promise.all([untilHeld(cluster, SHARD), untilMembers(cluster, 2)]);
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
    await pool.stop();
  });

  /** The admin port of the producer that does not hold the shard: it stays when the holder is killed. */
  async function otherAdmin(): Promise<string> {
    const { owner } = await untilHeld(cluster, SHARD);
    const other = [...(await cluster.members())].find(([id]) => id !== owner)?.[1];
    return other?.admin ?? '';
  }

  async function arrive(setting: Setting): Promise<Person> {
    const person = await Person.arrive({ setting, journey: 'operator', site: await otherAdmin() });
    await person.goTo('/dashboard');
    return person;
  }

  async function signIn(person: Person): Promise<void> {
    await person.type('Admin token', ADMIN_TOKEN);
    await person.press('Sign in');
    await person.sees(SHARD);
  }

  const rowOf = ({ page }: Person, name: string, text: string | RegExp): Locator =>
    page.getByRole('row').filter({ hasText: name }).filter({ hasText: text }).first();

  for (const setting of SETTINGS)
    it(`signs in with the token, reads, and signs out (${nameOf(setting)})`, async () => {
      await using person = await arrive(setting);
      await person.look('asked for the token');
      await person.type('Admin token', 'a guess');
      await person.press('Sign in');
      await person.page.getByRole('alert').first().waitFor();
      await person.look('wrong token');
      await signIn(person);
      await until('both producers to be on the page', async () => {
        if (!setting.hasScript) await person.page.reload();
        return (await rowOf(person, 'producer-2', 'ready').count()) > 0;
      });
      await person.look('dashboard');
      await person.press('Sign out');
      await person.page.getByLabel('Admin token').waitFor();
      await person.goTo('/dashboard');
      expect(await person.page.getByText(SHARD).count()).to.equal(0);
    });

  it('sees a killed holder, and a stopped Redis, without a reload', async () => {
    await using person = await arrive(AT_A_DESK);
    await signIn(person);
    const before = await untilHeld(cluster, SHARD);
    await rowOf(person, SHARD, before.owner ?? '?').waitFor({ timeout: SEEN_MS });
    process.kill(before.pid ?? 0, 'SIGKILL');
    const moved = await untilHeld(cluster, SHARD, before.epoch ?? 0);
    await rowOf(person, SHARD, moved.owner ?? '?')
      .filter({ hasText: String(moved.epoch) })
      .waitFor({ timeout: SEEN_MS });
    await person.hears(new RegExp(SHARD));
    await person.look('moved');
    await pool.kill();
    await rowOf(person, 'redis-2', /no answer|not used/).waitFor({ timeout: SEEN_MS });
    await person.look('redis stopped');
    await pool.restart();
    await rowOf(person, 'redis-2', /ok|low|empty/).waitFor({ timeout: SEEN_MS });
    person.complaints.expectNone('while all of this happened');
  });

  it('sees that ZooKeeper was wiped, adopts it, and sees that all is well', async () => {
    await using person = await arrive(AT_A_DESK);
    await signIn(person);
    const alarms = person.page.locator('#alarms');
    const { session } = cluster;
    await wipe(session);
    await alarms.filter({ hasText: /ZooKeeper.*was wiped/ }).waitFor({ timeout: SEEN_MS });
    await person.hears(/ZooKeeper.*wiped/);
    await alarms.filter({ hasText: 'keymill zookeeper adopt' }).waitFor();
    await person.look('wiped');
    const { exitCode, stderr } = await runKeymill(['zookeeper', 'adopt'], cluster.env);
    expect(exitCode, stderr).to.equal(0);
    const { owner } = await untilHeld(cluster, SHARD);
    await rowOf(person, SHARD, owner ?? '?').waitFor({ timeout: SEEN_MS });
    await alarms.filter({ hasNotText: 'wiped' }).waitFor({ timeout: SEEN_MS });
    await untilMembers(cluster, 2);
    await alarms.filter({ hasText: 'All is well' }).waitFor({ timeout: SEEN_MS });
    await person.look('adopted');
  });
});

/** Deletes everything that a cluster has in ZooKeeper, whoever wrote it. */
async function wipe(session: Session): Promise<void> {
  for (const path of OWN_PATHS.toReversed()) await removeAll(session, path);
}

async function removeAll(session: Session, path: string): Promise<void> {
  try {
    for (const name of await session.children(path)) await removeAll(session, `${path}/${name}`);
    await session.remove(path, ANY_VERSION);
  } catch (error) {
    // A process has been faster, or has just come back; it is one of those that a wipe leaves.
    if (!isCoordinationError(error, 'NO_NODE', 'NOT_EMPTY')) throw error;
  }
}
