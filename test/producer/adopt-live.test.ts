import { expect } from 'chai';
import { createEnsembleId } from '../../coordinator/ensemble.ts';
import { isCoordinationError } from '../../coordinator/errors.ts';
import { releaseLock } from '../../coordinator/lock-view.ts';
import { PATHS } from '../../coordinator/paths.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import {
  testCluster,
  untilFilled,
  untilHeld,
  untilLogged,
  untilMembers,
  type Cluster,
  type Producer,
} from './cluster.ts';

const T = 2_000;
/** Within this time after `adopt`, every shard has a holder again. */
const BOUND_MS = 3 * T;
const SHARDS = ['keys-db-1', 'keys-db-2', 'keys-db-3', 'keys-db-4'];
/** The producers that the cluster of these tests has, each with room for two shards. */
const PRODUCERS = ['producer-1', 'producer-2', 'producer-3'];

interface Readiness {
  readonly ok: boolean;
  readonly idle: Record<string, string> | null;
  readonly refused: Record<string, string>;
}

interface Status {
  readonly refused: readonly { shard: string; why: string; producers: string[] }[];
}

describe('keymill zookeeper adopt, while producers run', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let producers: Producer[];

  beforeEach(async () => {
    cluster = await testCluster({ keysDbs: SHARDS.length, env: { KEYMILL_SESSION_TIMEOUT_MS: String(T) } });
    producers = PRODUCERS.map((id) => cluster.start(id));
    await untilMembers(cluster, PRODUCERS.length);
    await Promise.all(SHARDS.map((shard) => untilHeld(cluster, shard)));
    await untilFilled(cluster);
  });

  afterEach(async () => cluster[Symbol.asyncDispose]());

  async function adopt(): Promise<{ ensemble: string; keysDbs: { changed: boolean }[] }> {
    const { exitCode, stdout, stderr } = await runKeymill(['zookeeper', 'adopt', '--json'], cluster.env);
    expect(exitCode, stderr).to.equal(0);
    return JSON.parse(stdout) as Awaited<ReturnType<typeof adopt>>;
  }

  async function adminOf(id: string, path: string): Promise<Response> {
    const admin = (await cluster.members()).get(id)?.admin;
    if (!admin) throw new Error(`${id} publishes no admin address`);
    return fetch(admin + path);
  }

  async function readinessOf(id: string): Promise<Readiness & { status: number }> {
    const response = await adminOf(id, '/readyz');
    return { status: response.status, ...((await response.json()) as Readiness) };
  }

  async function metricsOf(id: string): Promise<string> {
    return (await adminOf(id, '/metrics')).text();
  }

  async function epochs(): Promise<Map<string, number>> {
    const owned = await Promise.all(cluster.keysDbs.map((keysDb) => keysDb.ownership()));
    return new Map(owned.map(({ epoch }, index) => [SHARDS[index] ?? '', epoch]));
  }

  /** Empties the pools, so that every holder must claim, and waits until they are full again. */
  async function untilRefilled(): Promise<void> {
    for (const pool of cluster.pools) await pool.take(10_000);
    await untilFilled(cluster);
  }

  /** Waits until every shard has a holder with an epoch above `before`. @returns how long it took, in ms */
  async function untilAllHeld(before: ReadonlyMap<string, number>): Promise<number> {
    const startMs = ranMs();
    await Promise.all(SHARDS.map((shard) => untilHeld(cluster, shard, before.get(shard) ?? 0)));
    return ranMs() - startMs;
  }

  async function untilAllOk(): Promise<void> {
    for (const id of PRODUCERS) await until(`${id} to be ok`, async () => (await readinessOf(id)).ok);
  }

  it('gives every shard a holder again within three session timeouts, three times in a row', async () => {
    for (let time = 1; time <= 3; time += 1) {
      const before = await epochs();
      await cluster.session.remove(PATHS.ensemble, -1);
      await adopt();
      expect(await untilAllHeld(before), `adoption ${time}`).to.be.below(BOUND_MS);
      await untilAllOk();
      await untilRefilled();
    }
  });

  it('makes a producer ok again that contends for nothing, and the producer says why until then', async () => {
    const before = await epochs();
    await cluster.session.remove(PATHS.ensemble, -1);
    const [first] = producers;
    if (!first) throw new Error('no producer');
    for (const producer of producers) await untilLogged(producer, 'this ZooKeeper has no ensemble id');
    await freeAll();
    await expectIdle('has no ensemble id', 'no_ensemble');
    await adopt();
    expect(await untilAllHeld(before)).to.be.below(BOUND_MS);
    await untilAllOk();
    await untilLogged(first, 'shards may be contended for again');
    const lines = first.lines.filter(({ msg }) => msg.startsWith('this ZooKeeper has no ensemble id'));
    expect(lines, 'one line for one change').to.have.length(1);
  });

  it('mends a ZooKeeper that has gone back under the same id, which producers name as such', async () => {
    // What an older copy of ZooKeeper's data leaves behind: the stores have seen later locks than it has.
    const ensemble = await createEnsembleId(cluster.session);
    for (const [index, keysDb] of cluster.keysDbs.entries())
      await keysDb.raiseEpoch({ czxid: 2n ** 61n + BigInt(index), ensemble, owner: 'from the future' });
    await freeAll();
    const before = await epochs();
    for (const producer of producers) await untilLogged(producer, 'this ZooKeeper has gone back');
    await expectIdle('has gone back', 'gone_back');
    const { ensemble: adopted } = await adopt();
    expect(adopted, 'a new id').not.to.equal(ensemble);
    expect(await untilAllHeld(before)).to.be.below(BOUND_MS);
    await untilAllOk();
    await untilRefilled();
    const again = await adopt();
    expect(again.ensemble, 'a healthy ensemble keeps its id').to.equal(adopted);
    expect(again.keysDbs.map(({ changed }) => changed)).to.deep.equal([false, false, false, false]);
  });

  /** Deletes all locks. A holder that was fenced may be first. */
  async function freeAll(): Promise<void> {
    for (const shard of (await cluster.locks()).keys()) {
      await releaseLock(cluster.session, shard).catch((error: unknown) => {
        if (!isCoordinationError(error, 'NO_NODE')) throw error;
      });
    }
  }

  /** Waits until no shard has a holder, and every producer, `keymill status` and the metrics say why. */
  async function expectIdle(why: string, reason: string): Promise<void> {
    for (const id of PRODUCERS) {
      const readiness = await until(`${id} to be idle`, async () => {
        const now = await readinessOf(id);
        return SHARDS.every((shard) => now.idle?.[shard]?.includes(why)) && now;
      });
      expect(readiness).to.include({ status: 503, ok: false, session: 'connected' });
      for (const shard of SHARDS) {
        expect(readiness.refused[shard]).to.include(why);
      }
      expect(await metricsOf(id)).to.include(`shard_refused{keys_db="keys-db-4",reason="${reason}"} 1`);
    }
    expect(await cluster.locks()).to.have.property('size', 0);
    await until('status to show it', async () => {
      const { stdout } = await runKeymill(['status', '--json'], cluster.env);
      const { refused } = JSON.parse(stdout) as Status;
      return SHARDS.every((shard) =>
        refused.some(
          (entry) => entry.shard === shard && entry.why.includes(why) && entry.producers.length === 3,
        ),
      );
    });
    // Each call asks the producers again, and one may be late.
    await until('status to say it', async () => {
      const { stdout } = await runKeymill(['status'], cluster.env);
      return /ALARMS[^]+keys-db-1 +refused by producer-1[^]+keys-db-4/.test(stdout);
    });
  }
});
