import { openStatisticsDb } from '../../db/clicks/statistics-db.ts';
import { Statistics } from './statistics.ts';

/** A urls database of the configuration. */
export interface StatisticsSource {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  /** Whether it is worth asking. */
  readonly isUp: () => boolean;
}

export interface OpenStatistics extends AsyncDisposable {
  readonly statistics: Statistics;
}

/** Connects to the urls databases when the first question comes. */
export function openStatistics(sources: readonly StatisticsSource[]): OpenStatistics {
  const servers = sources.map(({ slots, isUp, ...address }) => ({
    db: openStatisticsDb(address),
    slots,
    isUp,
  }));
  return {
    statistics: new Statistics(servers),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map(async ({ db }) => db.close()));
    },
  };
}
