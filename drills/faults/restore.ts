import { databaseOf, openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import type { Drill } from '../drill.ts';
import { hidePools } from '../stage/pools.ts';
import type { Stage } from '../stage/stage.ts';

/** A keys-db that comes back as it was some time ago, while pools and links know better. */

const CLAIM_TIMEOUT_MS = 40_000;
const SLOW_MS = 60_000;

/** `keys` last: rows above the mark up to which they are said to be there do no harm, missing ones below it would. */
async function tablesOf(keysDb: Mysql, database: string): Promise<string[]> {
  const rows = await keysDb.query<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE' ORDER BY table_name = 'keys'",
    [database],
  );
  return rows.map(({ name }) => name);
}

async function backUp(keysDb: Mysql, database: string, backup: string): Promise<void> {
  await keysDb.execute(`DROP DATABASE IF EXISTS \`${backup}\``);
  await keysDb.execute(`CREATE DATABASE \`${backup}\``);
  for (const table of await tablesOf(keysDb, database)) {
    await keysDb.execute(`CREATE TABLE \`${backup}\`.\`${table}\` LIKE \`${database}\`.\`${table}\``);
    await keysDb.execute(
      `INSERT INTO \`${backup}\`.\`${table}\` SELECT * FROM \`${database}\`.\`${table}\``,
      [],
      { timeoutMs: SLOW_MS },
    );
  }
}

/** All tables in one statement: nobody sees half a restore. */
async function putBack(keysDb: Mysql, database: string, backup: string): Promise<void> {
  const newer = `${backup}_newer`;
  await keysDb.execute(`DROP DATABASE IF EXISTS \`${newer}\``);
  await keysDb.execute(`CREATE DATABASE \`${newer}\``);
  const moves = (await tablesOf(keysDb, backup)).flatMap((table) => [
    `\`${database}\`.\`${table}\` TO \`${newer}\`.\`${table}\``,
    `\`${backup}\`.\`${table}\` TO \`${database}\`.\`${table}\``,
  ]);
  await keysDb.execute(`RENAME TABLE ${moves.join(', ')}`, [], { timeoutMs: SLOW_MS });
}

async function dropBackup(url: string, name: string, backup: string): Promise<void> {
  await using keysDb = openMysql(url, { name, connections: 1 });
  for (const old of [backup, `${backup}_newer`]) await keysDb.execute(`DROP DATABASE IF EXISTS \`${old}\``);
}

async function claimMark(keysDb: Mysql): Promise<number> {
  const [row] = await keysDb.query<{ mark: number | null }>('SELECT MAX(claimed_to) AS mark FROM batches');
  return row?.mark ?? 0;
}

/** Makes the holder issue keys, by hiding every pool until its claims have passed `mark`. */
async function issueKeysBeyond(stage: Stage, keysDb: Mysql, mark: number): Promise<void> {
  const deadline = performance.now() + CLAIM_TIMEOUT_MS;
  while ((await claimMark(keysDb)) <= mark) {
    if (performance.now() > deadline) throw new Error('nobody claimed although every pool is empty');
    await hidePools(stage);
    const before = await claimMark(keysDb);
    const patience = performance.now() + CLAIM_TIMEOUT_MS / 4;
    while ((await claimMark(keysDb)) === before && performance.now() < patience) await stage.pause(20);
    await stage.undo('pools');
  }
}

export const keysDbRestored: Drill = {
  name: 'keys-db-restored',
  does: 'a keys-db is restored from a backup under live pools, once from an older reign and once from the same: filling goes on, nothing is bound twice',
  needs: [],
  rounds: 1,
  parts: ['an older', 'the same'],
  wears: true,
  round: async (stage, part) => {
    const { cluster } = stage;
    const { name, url } = stage.pick(cluster.file.keysDbs);
    const database = databaseOf(url);
    const backup = `${database}_drill`;
    await using keysDb = openMysql(url, { name, connections: 1 });
    stage.event(`a backup of ${name} is made`);
    stage.undoLater('backup', async () => dropBackup(url, name, backup));
    await backUp(keysDb, database, backup);
    const owner = stage.locks.holderOf(name)?.owner ?? '';
    if (part === 'an older') {
      const before = stage.reignsOf([name]);
      stage.event(`kill -9 of ${owner}'s worker, so that a later reign follows`);
      const sinceMs = stage.nowMs;
      signalProcess(await cluster.workerOf(owner), 'SIGKILL');
      await stage.takenOver(before, sinceMs);
    }
    await issueKeysBeyond(stage, keysDb, await claimMark(keysDb));
    await stage.pause(1_000);
    const issuedTo = await claimMark(keysDb);
    stage.forgive(name);
    const end = stage.beginFault(`${name} is restored from the backup of ${part} reign`);
    await putBack(keysDb, database, backup);
    await stage.pause(2_000);
    // What was issued after the backup is issued once more: only then do the books agree again.
    await issueKeysBeyond(stage, keysDb, issuedTo);
    stage.event(`${name} has issued keys beyond where it was`);
    await stage.pause(2_000);
    end();
  },
};
