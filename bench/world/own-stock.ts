import type { BenchRun } from '../method/bench-run.ts';
import type { PrivateCluster } from './private-cluster.ts';

const LINKS_AT_ONCE = 50_000;
const TIMEOUT_MS = 120_000;

/** Stores links and gives `count` of them to an owner, with places in his list, without a mapper. */
export async function ownLinks(
  { links }: PrivateCluster,
  userId: bigint,
  count: number,
  context: BenchRun,
): Promise<void> {
  await links.fill(count, context);
  for (const db of links.dbs) {
    for (let changed = 1; changed > 0;)
      ({ affectedRows: changed } = await db.execute(
        'UPDATE urls SET user_id = ? WHERE user_id IS NULL AND deleted_at IS NULL LIMIT ?',
        [userId, LINKS_AT_ONCE],
        { timeoutMs: TIMEOUT_MS },
      ));
    await db.execute(
      `INSERT IGNORE INTO owned (user_id, created_at, unique_id, slot, target_hash)
       SELECT user_id, created_at, unique_id, slot, UNHEX(LEFT(SHA2(original_url, 256), 32)) FROM urls
       WHERE user_id = ?`,
      [userId],
      { timeoutMs: TIMEOUT_MS },
    );
  }
}
