import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { readTimes, type Grain, type TimeCounts, type TimeRange } from './read-times.ts';
import {
  readClosedMonths,
  readValues,
  type DayRange,
  type ValueCounts,
  type ValuesQuestion,
} from './read-values.ts';
import { readVisitors } from './read-visitors.ts';
import type { AskedSubject } from './read-subject.ts';

/** The clicks of one urls database, for questions. Every method throws StoreUnavailableError. */
export interface StatisticsDb {
  readonly name: string;
  /** See {@link readTimes}. */
  times(subject: AskedSubject, range: TimeRange, grain: Grain): Promise<TimeCounts>;
  /** See {@link readClosedMonths}. */
  closedMonths(subject: AskedSubject, range: DayRange): Promise<number[]>;
  /** See {@link readValues}. */
  values(subject: AskedSubject, questions: readonly ValuesQuestion[]): Promise<ValueCounts[]>;
  /** See {@link readVisitors}. */
  visitors(subject: AskedSubject, range: DayRange): Promise<number>;
  close(): Promise<void>;
}

export interface StatisticsDbOptions {
  readonly name: string;
  readonly url: string;
}

/** A question of years takes some 20 ms. So these take at most two of the server's cores. */
const CONNECTIONS = 2;
const QUEUE_LIMIT = 200;
/** The links of a great owner are hundreds of thousands of rows a month. */
const TIMEOUT_MS = 4_000;

/** Connects when first used, on its own connections: no redirect, change or list waits for a question. */
export function openStatisticsDb({ name, url }: StatisticsDbOptions): StatisticsDb {
  const db: Mysql = openMysql(url, {
    name,
    connections: CONNECTIONS,
    queueLimit: QUEUE_LIMIT,
    selectLimitS: TIMEOUT_MS / 1_000,
  });
  const timeoutMs = TIMEOUT_MS;
  return {
    name,
    times: async (subject, range, grain) => readTimes(db, subject, { range, grain, timeoutMs }),
    closedMonths: async (subject, range) => readClosedMonths(db, subject, range, timeoutMs),
    values: async (subject, questions) => readValues(db, subject, questions, timeoutMs),
    visitors: async (subject, range) => readVisitors(db, subject, range, timeoutMs),
    close: async () => db.close(),
  };
}
