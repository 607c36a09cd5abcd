import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { producerKey } from '../../db/redis/redis-keys.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import type { Drill } from '../drill.ts';
import { hidePools, holdWrites } from '../stage/pools.ts';
import { withRedis } from '../stage/redis.ts';
import type { Stage } from '../stage/stage.ts';
import { chooseHolder } from './processes.ts';

/** The two moments of a delivery at which a crash costs most, brought about by holding a store back. */

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

/** The first batch that is claimed and not delivered from now on. */
async function nextPending(stage: Stage, keysDb: Mysql): Promise<{ id: number; parts: Part[] }> {
  const deadline = performance.now() + HOLD_MS / 2;
  for (;;) {
    const [batch] = await keysDb.query<PendingBatch>(
      'SELECT id, parts FROM batches WHERE completed_at IS NULL ORDER BY id DESC LIMIT 1',
    );
    if (batch !== undefined) return { id: batch.id, parts: JSON.parse(batch.parts) as Part[] };
    if (performance.now() > deadline) throw new Error('nobody claimed although every pool is empty');
    await stage.pause(POLL_MS);
  }
}

/** Until Redis has accepted every part. */
async function untilDelivered(stage: Stage, shard: string, parts: readonly Part[]): Promise<void> {
  await Promise.all(
    parts.map(async ({ pool, seq }) => {
      const server = stage.cluster.file.redis.find(({ name }) => name === pool);
      if (server === undefined) throw new Error(`no Redis is called ${pool}`);
      await withRedis(server, async (redis) => {
        const deadline = performance.now() + HOLD_MS;
        while (Number(await redis.command('HGET', [producerKey(shard), 'seq'])) < seq) {
          if (performance.now() > deadline) throw new Error(`${pool} did not accept part ${seq} of ${shard}`);
          await stage.pause(POLL_MS);
        }
      });
    }),
  );
}

async function killAtWorst(stage: Stage, when: string): Promise<void> {
  const { cluster } = stage;
  const { producer, shards } = chooseHolder(stage);
  const shard = stage.pick(shards);
  const url = cluster.file.keysDbs.find(({ name }) => name === shard)?.url ?? '';
  const worker = await cluster.workerOf(producer);
  const before = stage.reignsOf(shards);
  // One connection: its transaction holds the row of the batch, so that nobody can mark it.
  await using keysDb = openMysql(url, { name: shard, connections: 1 });
  const end = stage.beginFault(`every pool is hidden, and Redis holds writes back`);
  await hidePools(stage);
  await holdWrites(stage, HOLD_MS);
  const { id, parts } = await nextPending(stage, keysDb);
  if (when === MARK) {
    await keysDb.execute('START TRANSACTION');
    await keysDb.query('SELECT id FROM batches WHERE id = ? FOR UPDATE', [id]);
    await stage.undo('writes');
    await untilDelivered(stage, shard, parts);
  }
  stage.event(`kill -9 of ${producer}'s worker: batch ${id} of ${shard} is claimed, and it dies ${when}`);
  const sinceMs = stage.nowMs;
  signalProcess(worker, 'SIGKILL');
  if (when === MARK) await keysDb.execute('ROLLBACK');
  await stage.undo('writes');
  await stage.takenOver(before, sinceMs);
  await stage.undo('pools');
  end();
}

export const killBetween: Drill = {
  name: 'kill-between',
  does: 'kill -9 of a worker after claim and before delivery, then after delivery and before its mark: replayed, nothing lost, nothing twice',
  needs: [],
  rounds: 2,
  parts: ['before delivery', MARK],
  round: killAtWorst,
};
