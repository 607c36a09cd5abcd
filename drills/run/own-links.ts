import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { pruneAll } from '../../mapper/links/prune-links.ts';
import { parseSlots } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { OwnLinksClient, signUp, type OwnLinkRead } from '../load/own-links-client.ts';
import { OwnLinksLoad } from '../load/own-links-load.ts';
import type { DrillRun } from './drill-run.ts';

/** Deleted links can be restored for 30 days. */
const DAYS_BACK = 31;

/** An owner, and the load on his links. */
export interface OwnLinks {
  readonly client: OwnLinksClient;
  readonly load: OwnLinksLoad;
}

/** Makes an owner whose links are changed and followed until `undo('own-links')`. */
export async function startOwnLinks(run: DrillRun): Promise<OwnLinks> {
  const { history, random } = run;
  const { balancer, runId } = run.load;
  const client = new OwnLinksClient({ balancer, history, runId, apiKey: await signUp(balancer) });
  const mappers = balancer.backends.map(({ id }) => id);
  const load = await OwnLinksLoad.start({ client, mappers, random });
  run.undoLater('own-links', async () => load.stop());
  return { client, load };
}

/**
 * Clears deleted links, as a mapper does 30 days later: makes their deletions older, and runs what mappers
 * run once an hour.
 */
export async function pruneLinks(
  { cluster, signal, history }: DrillRun,
  client: OwnLinksClient,
  deleted: readonly OwnLinkRead[],
): Promise<void> {
  const at = history.nowMs;
  await using stack = new AsyncDisposableStack();
  const servers = cluster.file.urlsDbs.map(({ name, url, slots }) => {
    const own = stack.adopt(
      openOwnLinksDb({ name, url, slots: parseSlots(slots) ?? [], connections: 1 }),
      async (db) => db.close(),
    );
    return { db: own, sql: stack.use(openMysql(url, { name, connections: 1 })) };
  });
  for (const { key } of deleted) {
    const slot = slotOf(key);
    const sql = servers.find(({ db }) => db.slots.includes(slot))?.sql;
    for (const table of ['urls', 'deletions'])
      await sql?.execute(
        `UPDATE ${table} SET deleted_at = deleted_at - INTERVAL ? DAY WHERE slot = ? AND unique_id = ?`,
        [DAYS_BACK, slot, key],
      );
  }
  const always = (): boolean => true;
  const own = servers.map(({ db }) => ({ db, isUp: always, isWritable: always }));
  await pruneAll(own, signal, createLog('drill', 'prune', 'silent'));
  for (const link of deleted) client.recordPruned(link, at);
}
