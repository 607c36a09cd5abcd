import { openImportsDb } from '../db/imports/imports-db.ts';
import type { WantsEvents } from '../db/outbox/link-events.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import type { UsersStore } from './auth/users-store.ts';
import { LINKS_APPEARED } from './cache/appeared-links.ts';
import type { MapperCaches } from './caches.ts';
import { runImportJobs } from './import-jobs/job-runner.ts';
import type { JobTools } from './import-jobs/job.ts';
import { PoolKeys } from './import-jobs/pool-keys.ts';
import { LinkReader, type ReadOptions } from './import/link-reader.ts';
import { parseTargetUrl, type TargetRules } from './shorten/target-url.ts';
import type { MapperStores } from './stores.ts';

export interface OpenImportsOptions {
  readonly config: MapperConfig;
  readonly stores: MapperStores;
  /** Default: nobody's events are written. */
  readonly wantsEvents?: WantsEvents;
  readonly caches: Pick<MapperCaches, 'announceChanges'>;
  readonly users: Pick<UsersStore, 'isUp' | 'askImports'>;
  /** Which targets a link may have. */
  readonly targets: TargetRules;
  readonly log: Log;
}

/** Imports of files that are uploaded, and their work in the background. */
export interface OpenImports extends AsyncDisposable {
  readonly tools: JobTools;
}

/** Also starts to carry out imports, of this mapper and of others. */
export function openImports({
  config,
  stores,
  wantsEvents,
  caches,
  users,
  targets,
  log,
}: OpenImportsOptions): OpenImports {
  const stack = new AsyncDisposableStack();
  const { urlsDbs } = config.stores;
  const servers = urlsDbs.map((urlsDb) => {
    const imports = openImportsDb({ ...urlsDb, ...(wantsEvents && { wantsEvents }) });
    stack.defer(async () => imports.close());
    const server = stores.servers.at(urlsDb.slots[0] ?? 0);
    const { ownLinks } = server;
    return { imports, ownLinks, expectForeignCodes: async () => server.recordForeignCodes() };
  });
  const tools: JobTools = {
    ask: async (work) => users.askImports(work),
    ports: {
      servers,
      keys: new PoolKeys(
        stores.pools.map(({ pool }) => pool),
        stores.keyspace.length,
      ),
      announce: {
        changed: async (keys) => void (await caches.announceChanges(keys)),
        appeared: async () => void (await caches.announceChanges([LINKS_APPEARED])),
      },
      now: monotonicMs,
    },
    createReader: ({ from, timezone, dateOrder, domain, isRenaming }, reading) => {
      const judgeTarget: ReadOptions['judgeTarget'] = (url) => parseTargetUrl(url, targets);
      return new LinkReader({ from, timezone, dateOrder, domain, isRenaming, ...reading, judgeTarget });
    },
  };
  stack.use(runImportJobs({ tools, isUp: () => users.isUp, log }));
  return { tools, [Symbol.asyncDispose]: async () => stack.disposeAsync() };
}
