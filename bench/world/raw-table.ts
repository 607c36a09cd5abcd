import type { PrivateCluster } from './private-cluster.ts';

/** On every urls server, with the columns and keys of `urls`. */
const RAW_TABLE = 'bench_raw';
const TIMEOUT_MS = 60_000;

/** Creates an empty table, which is dropped when disposed. */
export async function withRawTable({
  links,
}: PrivateCluster): Promise<AsyncDisposable & { readonly name: string }> {
  const drop = async (): Promise<void> => {
    for (const db of links.dbs)
      await db.execute(`DROP TABLE IF EXISTS ${RAW_TABLE}`, [], { timeoutMs: TIMEOUT_MS });
  };
  await drop();
  for (const db of links.dbs) await db.execute(`CREATE TABLE ${RAW_TABLE} LIKE urls`);
  return { name: RAW_TABLE, [Symbol.asyncDispose]: drop };
}
