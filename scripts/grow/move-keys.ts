import type { Pool } from '../../db/redis/pool.ts';

const PAGE = 2_000;

/**
 * Moves every key from pools that end into one that stays. Nobody may take from them or deliver to them
 * meanwhile. Keys are first copied and then taken, and a key that the target has is not copied again: a kill
 * in between neither loses a key nor leaves it in the target twice.
 * @returns how many keys the target has got
 * @throws StoreUnavailableError; then call it again
 */
export async function moveKeys(from: readonly Pool[], to: Pool): Promise<number> {
  const there = new Set<string>();
  await forEachPage(to, (keys) => keys.forEach((key) => there.add(key)));
  let moved = 0;
  for (const pool of from) {
    await forEachPage(pool, async (keys) => {
      const missing = keys.filter((key) => !there.has(key));
      if (missing.length === 0) return;
      await to.putBack(missing);
      for (const key of missing) there.add(key);
      moved += missing.length;
    });
    await empty(pool, there);
  }
  return moved;
}

async function forEachPage(
  pool: Pool,
  use: (keys: readonly string[]) => Promise<void> | void,
): Promise<void> {
  for (let fromTail = 0; ; fromTail += PAGE) {
    const keys = await pool.page(fromTail, PAGE);
    await use(keys);
    if (keys.length < PAGE) return;
  }
}

/** @throws Error when the pool has got keys since it was copied: they go back */
async function empty(pool: Pool, copied: ReadonlySet<string>): Promise<void> {
  for (;;) {
    const { keys } = await pool.take(PAGE);
    if (keys.length === 0) return;
    const fresh = keys.filter((key) => !copied.has(key));
    if (fresh.length === 0) continue;
    await pool.putBack(fresh);
    throw new Error(`${pool.name} gets keys while its pool is moved: a producer or mapper still uses it`);
  }
}
