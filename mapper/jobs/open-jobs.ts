import { randomBytes } from 'node:crypto';
import { openMysql } from '../../db/mysql/mysql.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { createImportsJob } from './imports-job.ts';
import { startRestedJobs, type RestedJob } from './rested-jobs.ts';
import { createStatisticsJobs } from './statistics-jobs.ts';

export interface OpenJobsOptions {
  readonly config: Pick<MapperConfig, 'id' | 'jobs'> & {
    readonly stores: Pick<MapperConfig['stores'], 'urlsDbs'>;
  };
  /** Whether each urls server takes writes, in the order of the configuration. */
  readonly servers: readonly { readonly isWritable: boolean }[];
  /** Besides those of statistics and imports. */
  readonly jobs?: readonly RestedJob[] | undefined;
  readonly log: Log;
}

/** A piece usually takes less. */
const END_MS = 1_000;

/**
 * Does the jobs of all urls servers in the background, on connections of their own, until it is disposed of.
 */
export function openJobs({ config, servers, jobs = [], log }: OpenJobsOptions): AsyncDisposable {
  const dbs = config.stores.urlsDbs.map(({ name, url }) =>
    openMysql(url, { name, connections: 2, canTransact: true, isolation: 'REPEATABLE READ' }),
  );
  const started = startRestedJobs({
    jobs: [...createStatisticsJobs(config.jobs), createImportsJob(config.jobs), ...jobs],
    servers: dbs.map((db, index) => ({
      name: db.name,
      db,
      isWritable: () => servers[index]?.isWritable === true,
    })),
    holder: `${config.id}/${randomBytes(8).toString('hex')}`,
    log,
    pollMs: config.jobs.pollMs,
  });
  return {
    [Symbol.asyncDispose]: async () => {
      const ended = started[Symbol.asyncDispose]();
      await withDeadline('ending jobs', END_MS, async () => ended).catch(() => undefined);
      // Cuts off what is still under way: nothing of its transaction happens then.
      await Promise.all(dbs.map(async (db) => db.close()));
      await ended;
    },
  };
}
