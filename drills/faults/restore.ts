import { databaseOf, openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { hidePools } from '../run/pools.ts';

const CLAIM_TIMEOUT_MS = 40_000;
const SLOW_MS = 60_000;
const OLDER = 'an older';
const SAME = 'the same';

/**
 * The tables of a database, `keys` last. The holder may add keys and raise `generated_to` while we copy: rows
 * above that mark do no harm, missing rows below it would.
 */
async function tablesOf(keysDb: Mysql, database: string): Promise<string[]> {
  const rows = await keysDb.query<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables ' +
      "WHERE table_schema = ? AND table_type = 'BASE TABLE' ORDER BY table_name = 'keys'",
    [database],
  );
  return rows.map(({ name }) => name);
}

async function backUp(keysDb: Mysql, database: string, backup: string): Promise<void> {
  await createEmpty(keysDb, backup);
  for (const table of await tablesOf(keysDb, database)) {
    await keysDb.execute(`CREATE TABLE \`${backup}\`.\`${table}\` LIKE \`${database}\`.\`${table}\``);
    await keysDb.execute(
      `INSERT INTO \`${backup}\`.\`${table}\` SELECT * FROM \`${database}\`.\`${table}\``,
      [],
      { timeoutMs: SLOW_MS },
    );
  }
}

/** Replaces all tables in one statement, so that no client sees half a restore. */
async function restoreBackup(keysDb: Mysql, database: string, backup: string): Promise<void> {
  const newer = `${backup}_newer`;
  await createEmpty(keysDb, newer);
  const moves = (await tablesOf(keysDb, backup)).flatMap((table) => [
    `\`${database}\`.\`${table}\` TO \`${newer}\`.\`${table}\``,
    `\`${backup}\`.\`${table}\` TO \`${database}\`.\`${table}\``,
  ]);
  await keysDb.execute(`RENAME TABLE ${moves.join(', ')}`, [], { timeoutMs: SLOW_MS });
}

async function createEmpty(keysDb: Mysql, database: string): Promise<void> {
  await keysDb.execute(`DROP DATABASE IF EXISTS \`${database}\``);
  await keysDb.execute(`CREATE DATABASE \`${database}\``);
}

async function dropBackup(url: string, name: string, backup: string): Promise<void> {
  await using keysDb = openMysql(url, { name, connections: 1 });
  for (const old of [backup, `${backup}_newer`]) await keysDb.execute(`DROP DATABASE IF EXISTS \`${old}\``);
}

/** The id up to which keys have been claimed. */
async function claimMark(keysDb: Mysql): Promise<number> {
  const [row] = await keysDb.query<{ mark: number | null }>('SELECT MAX(claimed_to) AS mark FROM batches');
  return row?.mark ?? 0;
}

/** Hides every pool again and again, so that the holder claims keys, until its claims have passed `mark`. */
async function claimBeyond(run: DrillRun, keysDb: Mysql, mark: number): Promise<void> {
  const deadline = performance.now() + CLAIM_TIMEOUT_MS;
  while ((await claimMark(keysDb)) <= mark) {
    if (performance.now() > deadline)
      throw new Error('no producer claimed enough keys although every pool is empty');
    await hidePools(run);
    const before = await claimMark(keysDb);
    const nextAttempt = performance.now() + CLAIM_TIMEOUT_MS / 4;
    while ((await claimMark(keysDb)) === before && performance.now() < nextAttempt) await run.pause(20);
    await run.undo('pools');
  }
}

async function endReign(run: DrillRun, shard: string): Promise<void> {
  const before = run.reigns.of([shard]);
  const owner = run.locks.holderOf(shard)?.owner ?? '';
  run.event(`kill -9 of ${owner}'s worker, so that a later reign follows`);
  const sinceMs = run.nowMs;
  signalProcess(await run.cluster.workerOf(owner), 'SIGKILL');
  await run.reigns.untilTakenOver(before, sinceMs);
}

export const keysDbRestored: Drill = {
  name: 'keys-db-restored',
  does:
    'Restores a keys-db from a backup while the pools hold later keys: a backup of an older reign, then ' +
    'one of the same reign. Refilling continues, and no key is bound twice.',
  needs: [],
  rounds: 1,
  parts: [OLDER, SAME],
  isDestructive: true,
  round: async (run, part) => {
    const { name, url } = run.pick(run.cluster.file.keysDbs);
    const database = databaseOf(url);
    const backup = `${database}_drill`;
    await using keysDb = openMysql(url, { name, connections: 1 });
    run.event(`a backup of ${name} is made`);
    run.undoLater('backup', async () => dropBackup(url, name, backup));
    await backUp(keysDb, database, backup);
    if (part === OLDER) await endReign(run, name);
    await claimBeyond(run, keysDb, await claimMark(keysDb));
    await run.pause(1_000);
    const claimedTo = await claimMark(keysDb);
    run.markRestored(name);
    const end = run.beginFault(`${name} is restored from the backup of ${part} reign`);
    await restoreBackup(keysDb, database, backup);
    await run.pause(2_000);
    // The audit balances only after the keys that were claimed since the backup have been claimed again.
    await claimBeyond(run, keysDb, claimedTo);
    run.event(`the claims of ${name} have passed the point of the restore`);
    await run.pause(2_000);
    end();
  },
};
