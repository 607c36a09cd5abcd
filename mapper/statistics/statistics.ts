import { MAX_VALUES, type Dimension } from '../../db/clicks/dimensions.ts';
import type { TimeCounts } from '../../db/clicks/read-times.ts';
import type { ValueCount, ValueCounts } from '../../db/clicks/read-values.ts';
import type { StatisticsDb } from '../../db/clicks/statistics-db.ts';
import type { AskedSubject } from '../../db/clicks/read-subject.ts';
import { LINK, OWNER } from '../../db/clicks/subject.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { Question } from './question.ts';
import { toTimeItems, type TimeItem } from './time-items.ts';
import { divide, mergeValues, mostFrequent } from './value-items.ts';

/** A urls server, and whether it is worth asking. */
export interface StatisticsServer {
  readonly db: StatisticsDb;
  readonly slots: readonly number[];
  readonly isUp: () => boolean;
}

/** The answer to a question. */
export interface ClickStatistics {
  readonly humans: number;
  readonly bots: number;
  /** The sum of the visitors of each day of UTC. */
  readonly visitors: number;
  /** Some of the numbers are of days of UTC, or of hours that the period has only in part. */
  readonly isApproximate: boolean;
  readonly items: { readonly times: readonly TimeItem[] } | { readonly values: readonly ValueCount[] };
}

/** `tooMany`: the first click is too long ago for so short items. */
export type Asking<T> = T | { readonly tooMany: true };

/** How many links of an owner are named. */
export const MOST_FOLLOWED = 20;

/**
 * Values that each server tells, where several have some. Those of all servers are added up here, so a value
 * that is rare on each of them is counted with the others.
 */
const MAX_MERGED = 2_000;

/** What one server knows of a subject. */
interface Part {
  readonly times: TimeCounts;
  readonly visitors: number;
  readonly values: ValueCounts;
  readonly links: ValueCounts;
}

const NO_VALUES: ValueCounts = { items: [], humans: 0, bots: 0 };

/**
 * How often links were followed, by time or by what is known of the followers.
 *
 * Methods throw StoreUnavailableError when a server does not answer: an answer is complete or an error.
 */
export class Statistics {
  readonly #servers: readonly StatisticsServer[];

  constructor(servers: readonly StatisticsServer[]) {
    this.#servers = servers;
  }

  /** @throws RangeError when no server has the slot; the configuration refuses such a map before */
  async ofLink(
    { key, slot }: { readonly key: string; readonly slot: number },
    question: Question,
  ): Promise<Asking<ClickStatistics>> {
    const server = this.#servers.find(({ slots }) => slots.includes(slot));
    if (server === undefined) throw new RangeError(`no urls server has slot ${slot}`);
    const subject = { kind: LINK, name: key };
    return summarise(question, [await readPart(server, subject, question, { maxValues: MAX_VALUES })]);
  }

  /** All links that a user has or had, and those of them that were followed most. */
  async ofOwner(
    userId: bigint,
    question: Question,
  ): Promise<Asking<ClickStatistics & { readonly mostFollowed: readonly ValueCount[] }>> {
    const subject = { kind: OWNER, name: String(userId) };
    const bounds = {
      maxValues: this.#servers.length === 1 ? MAX_VALUES : MAX_MERGED,
      links: MOST_FOLLOWED,
    };
    const parts = await Promise.all(
      this.#servers.map(async (server) => readPart(server, subject, question, bounds)),
    );
    const summary = summarise(question, parts);
    if ('tooMany' in summary) return summary;
    // A link is on one server, so the first ones of all are among the first ones of each.
    const links = parts.map((part) => part.links);
    return { ...summary, mostFollowed: mostFrequent(links, MOST_FOLLOWED) };
  }
}

async function readPart(
  { db, isUp }: StatisticsServer,
  subject: AskedSubject,
  { by, range, utcDays, hasHours }: Question,
  { maxValues, links = 0 }: { maxValues: number; links?: number },
): Promise<Part> {
  if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
  const dimensions: readonly (readonly [Dimension | 'time', number])[] = [
    [by, maxValues],
    ...(links === 0 ? [] : [['link', links] as const]),
  ];
  const hasValues = dimensions.some(([dimension]) => dimension !== 'time');
  const closed = hasValues ? db.closedMonths(subject, range) : undefined;
  const readOne = async ([dimension, count]: readonly [Dimension | 'time', number]): Promise<ValueCounts> =>
    dimension === 'time'
      ? NO_VALUES
      : // One may be `(other)`.
        db.values(subject, { dimension, count: count + 1, ...divide(range, (await closed) ?? []) });
  const [times, visitors, values = NO_VALUES, ofLinks = NO_VALUES] = await Promise.all([
    db.times(subject, range, hasHours ? 'hour' : 'day'),
    db.visitors(subject, utcDays),
    ...dimensions.map(readOne),
  ]);
  return { times, visitors, values, links: ofLinks };
}

function summarise(question: Question, parts: readonly Part[]): Asking<ClickStatistics> {
  const times = parts.map((part) => part.times);
  const all = times.flatMap(({ hours, days }) => [...hours, ...days]);
  const { by, hasHours, isOfFullHours, isOfUtcDays } = question;
  const isByTime = by === 'time';
  const items = isByTime ? toTimeItems(question, times) : [];
  if (items === undefined) return { tooMany: true };
  const visitors = sum(parts.map((part) => part.visitors));
  const isExact = isByTime && hasHours && isOfFullHours && times.every(({ days }) => days.length === 0);
  return {
    humans: sum(all.map(({ humans }) => humans)),
    bots: sum(all.map(({ bots }) => bots)),
    visitors,
    isApproximate: !isExact || (visitors > 0 && !isOfUtcDays),
    items: isByTime
      ? { times: items }
      : {
          values: mergeValues(
            parts.map(({ values }) => values),
            MAX_VALUES,
          ),
        },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
