import { randomBytes } from 'node:crypto';
import { openOrphansDb } from '../../db/clicks/orphans-db.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import { pollEvery } from '../../runtime/polling.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import { MAX_KEYS, MAX_ROWS, OrphanLedger } from './orphan-ledger.ts';
import { Orphans } from './orphans.ts';

export interface OpenOrphansOptions {
  readonly config: MapperConfig;
  readonly servers: UrlsServers;
  readonly log: Log;
}

export interface OpenedOrphans extends AsyncDisposable {
  readonly orphans: Orphans;
  /** Stores what was counted, for a bounded time. */
  finish(): Promise<void>;
}

const FINISH_MS = 2_000;
/** As many as a full table has; further ones do nothing. */
const MOST_FLUSHES = MAX_KEYS / MAX_ROWS;

/**
 * Opens the counter of orphans, which stores in the background. The servers need not answer yet.
 */
export function openOrphans({ config, servers, log }: OpenOrphansOptions): OpenedOrphans {
  const source = `${config.id}/${randomBytes(8).toString('hex')}/orphans`;
  const today = (): string => new Date().toISOString().slice(0, 10);
  const opened = config.stores.urlsDbs.map((urlsDb, index) => {
    const server = servers.all[index];
    const db = openOrphansDb(urlsDb);
    const isUp = (): boolean => server?.isWritable === true;
    const ledger = new OrphanLedger({ db, isUp, source, today, log });
    return { server, db, isUp, ledger };
  });
  const byServer = new Map(opened.map((one) => [one.server, one]));
  const orphans = new Orphans(
    opened.map(({ server, ...one }) => ({ ...one, isUp: () => server?.isUp === true })),
    (key) => (config.clicks.counted === false ? undefined : byServer.get(servers.for(key))),
  );
  const stopping = new AbortController();
  const flushing = pollEvery(config.clicks.flushMs, stopping.signal, async () => orphans.flush());
  return {
    orphans,
    finish: async () =>
      withDeadline('storing orphans', FINISH_MS, async () => {
        for (let flushes = 0; flushes < MOST_FLUSHES; flushes += 1) await orphans.flush();
      }).catch(() => undefined),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await Promise.all(opened.map(async ({ db }) => db.close()));
      await flushing;
    },
  };
}
