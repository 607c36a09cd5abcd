import { partsOf } from '../../db/keys-db/batch.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { producerKey } from '../../db/redis/redis-keys.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import { withRedis } from '../cluster/redis.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { hidePools, holdWrites } from '../run/pools.ts';

/** A crash at the two worst moments of a delivery. We reach them by holding writes back in Redis or MySQL. */

const HOLD_MS = 8_000;
const POLL_MS = 10;
const MARK = 'before it is marked';

interface PendingBatch {
  readonly id: number;
  readonly parts: string;
}

interface Part {
  readonly pool: string;
  readonly seq: number;
}

/** Waits for the next batch that is claimed and not yet delivered. */
async function nextPending(run: DrillRun, keysDb: Mysql): Promise<{ id: number; parts: Part[] }> {
  const find = async (): Promise<PendingBatch | undefined> => {
    const [batch] = await keysDb.query<PendingBatch>(
      'SELECT id, parts FROM batches WHERE completed_at IS NULL ORDER BY id DESC LIMIT 1',
    );
    return batch;
  };
  const failure = 'no producer claimed a batch although every pool is empty';
  const { id, parts } = await run.waitFor(find, { timeoutMs: HOLD_MS / 2, everyMs: POLL_MS, failure });
  return { id, parts: partsOf(parts, { store: 'a keys-db', what: 'parts' }) };
}

/** Waits until every Redis has accepted its part. */
async function untilDelivered(run: DrillRun, shard: string, parts: readonly Part[]): Promise<void> {
  await Promise.all(
    parts.map(async ({ pool, seq }) => {
      const server = run.cluster.file.redis.find(({ name }) => name === pool);
      if (server === undefined) throw new Error(`there is no Redis ${pool}`);
      await withRedis(server, async (redis) => {
        const hasAccepted = async (): Promise<true | undefined> =>
          Number(await redis.command('HGET', [producerKey(shard), 'seq'])) >= seq || undefined;
        const failure = `${pool} did not accept part ${seq} of ${shard}`;
        await run.waitFor(hasAccepted, { timeoutMs: HOLD_MS, everyMs: POLL_MS, failure });
      });
    }),
  );
}

async function killAtWorstMoment(run: DrillRun, when: string): Promise<void> {
  const { cluster } = run;
  const { producer, shards } = run.pickHolder();
  const shard = run.pick(shards);
  const url = cluster.file.keysDbs.find(({ name }) => name === shard)?.url ?? '';
  const worker = await cluster.workerOf(producer);
  const before = run.reigns.of(shards);
  // One connection: its transaction locks the row of the batch, so that the producer cannot mark it.
  await using keysDb = openMysql(url, { name: shard, connections: 1 });
  const end = run.beginFault('every pool is hidden, and every Redis holds writes back');
  await hidePools(run);
  await holdWrites(run, HOLD_MS);
  const { id, parts } = await nextPending(run, keysDb);
  if (when === MARK) {
    await keysDb.execute('START TRANSACTION');
    await keysDb.query('SELECT id FROM batches WHERE id = ? FOR UPDATE', [id]);
    await run.undo('writes');
    await untilDelivered(run, shard, parts);
  }
  run.event(`kill -9 of ${producer}'s worker, ${when}: batch ${id} of ${shard} is claimed`);
  const sinceMs = run.nowMs;
  signalProcess(worker, 'SIGKILL');
  if (when === MARK) await keysDb.execute('ROLLBACK');
  await run.undo('writes');
  await run.reigns.untilTakenOver(before, sinceMs);
  await run.undo('pools');
  end();
}

export const killBetween: Drill = {
  name: 'kill-between',
  does:
    'kill -9 of a worker between claim and delivery, then between delivery and mark. The next holder ' +
    'replays the batch: no key is lost or delivered twice.',
  needs: [],
  rounds: 2,
  parts: ['before delivery', MARK],
  round: killAtWorstMoment,
};
