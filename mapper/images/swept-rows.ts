import { randomBytes } from 'node:crypto';
import { whyRowsMayBeLost } from '../../db/audit/urls-trust.ts';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import type { Keyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { readRows, type ImageRow } from '../../db/own-links/image-rows.ts';
import { purgeLink } from '../../db/own-links/purge-link.ts';
import { findOwnLink } from '../../db/own-links/read-links.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import type { StoresConfig, UrlsDbConfig } from '../../runtime/config/stores.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { SweptRows } from './sweep-piece.ts';

const END_MS = 5_000;

interface Server {
  readonly config: UrlsDbConfig;
  readonly db: Mysql;
  readonly urlsDb: UrlsDb;
}

export interface SweptRowsOptions {
  readonly stores: Pick<StoresConfig, 'urlsDbs' | 'keysDbs'>;
  readonly keyspace: Keyspace;
  readonly log: Log;
}

/** What a sweep asks urls servers and keys-dbs, on connections of its own. It connects when it first asks. */
export interface OpenSweptRows extends SweptRows, AsyncDisposable {
  /** The server of this slot. */
  dbOf(slot: number): Mysql | undefined;
}

export function openSweptRows({ stores, keyspace, log }: SweptRowsOptions): OpenSweptRows {
  const servers = stores.urlsDbs.map((config) => ({
    config,
    db: openMysql(config.url, {
      name: config.name,
      connections: 2,
      canTransact: true,
      isolation: 'REPEATABLE READ',
    }),
    urlsDb: openUrlsDb({ ...config, keyspace, log, connections: 1 }),
  }));
  const keysDbs = stores.keysDbs.map((config) => openKeysDb({ ...config, keyspace, log }));
  const serverOf = (slot: number): Server | undefined =>
    servers.find(({ config }) => config.slots.includes(slot));
  return {
    dbOf: (slot) => serverOf(slot)?.db,
    read: async (keys) => {
      const rows = new Map<string, ImageRow>();
      const notRead = new Set<string>();
      const byServer = Map.groupBy(keys, (key) => serverOf(slotOf(key)));
      await Promise.all(
        Array.from(byServer, async ([server, some]) => {
          const read = server && (await readQuietly(server, some));
          for (const key of some) {
            const row = read?.rows.get(key);
            if (read?.slots.has(slotOf(key)) !== true) notRead.add(key);
            else if (row !== undefined) rows.set(key, row);
          }
        }),
      );
      return { rows, notRead };
    },
    whyLost: async () => {
      try {
        // A store of another cluster has none of our rows.
        for (const keysDb of keysDbs) await keysDb.verify();
        for (const { urlsDb } of servers) await urlsDb.verifyKeyspace();
        return await whyRowsMayBeLost(
          keysDbs,
          servers.map(({ urlsDb }) => urlsDb),
        );
      } catch (error) {
        return messageOf(error);
      }
    },
    endLapsed: async (row) => {
      const server = serverOf(row.slot);
      return server !== undefined && endLapsed(server.db, row);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([
        ...servers.flatMap(({ db, urlsDb }) => [db.close(), urlsDb.close()]),
        ...keysDbs.map(async (keysDb) => keysDb.close()),
      ]);
    },
  };
}

/**
 * Deletes an image for good, unless its owner has changed it meanwhile. Whoever wants to hear of it has heard
 * that it has expired.
 */
async function endLapsed(db: Mysql, { key, expiresAt }: ImageRow): Promise<boolean> {
  const link = await findOwnLink(db, { key }, END_MS);
  if (link === undefined || link.expiresAt?.getTime() !== expiresAt?.getTime()) return false;
  const changeId = randomBytes(16).toString('hex');
  return purgeLink(db, { link, changeId }, { wantsEvents: () => false, timeoutMs: END_MS });
}

/** @returns undefined: the server does not answer. The others go on. */
async function readQuietly(
  { db }: Server,
  keys: readonly string[],
): Promise<Awaited<ReturnType<typeof readRows>> | undefined> {
  try {
    return await readRows(db, keys);
  } catch (error) {
    if (error instanceof StoreUnavailableError) return undefined;
    throw error;
  }
}
