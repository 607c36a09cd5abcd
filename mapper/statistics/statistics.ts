import type { Counts } from '../../db/clicks/click-flush.ts';
import { MAX_VALUES, type Dimension } from '../../db/clicks/dimensions.ts';
import type { TimeCounts } from '../../db/clicks/read-times.ts';
import type { DayRange, ValueCount, ValueCounts } from '../../db/clicks/read-values.ts';
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
  /** For each dimension that was asked for. */
  readonly values: readonly ValueCounts[];
}

/** Which values are asked for. */
interface ValuesAsked {
  readonly range: DayRange;
  /** The most values of each. */
  readonly of: readonly (readonly [Dimension, number])[];
  /** Nobody looks at values or visitors without a click. Most links are not followed in most periods. */
  readonly needsClicks?: boolean;
}

/** A period, as it is asked about by time and by values, and by which values. */
export interface ChartsQuestion {
  readonly time: Question;
  readonly values: Question;
  readonly dimensions: readonly Exclude<Dimension, 'link'>[];
}

/** All charts of a period. */
export interface ClickCharts extends ClickStatistics {
  /** For each dimension, in the order of the question. */
  readonly values: readonly (readonly ValueCount[])[];
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
  async ofLink(link: AskedLink, question: Question): Promise<Asking<ClickStatistics>> {
    const part = await this.#readLink(link, question, {
      range: question.range,
      of: valuesOf(question, MAX_VALUES),
    });
    return summarise(question, [part]);
  }

  /** All charts at once. Each by itself would look for the link, its clicks and its visitors again. */
  async chartsOfLink(link: AskedLink, question: ChartsQuestion): Promise<Asking<ClickCharts>> {
    const of = question.dimensions.map((dimension) => [dimension, MAX_VALUES] as const);
    const values = { range: question.values.range, of, needsClicks: true };
    const part = await this.#readLink(link, question.time, values);
    return chartsOf(question, [part]);
  }

  /** All links that a user has or had, and those of them that were followed most. */
  async ofOwner(userId: bigint, question: Question): Promise<Asking<ClickStatistics & MostFollowed>> {
    const of = valuesOf(question, this.#maxValues);
    const parts = await this.#readOwner(userId, question, { range: question.range, of });
    const summary = summarise(question, parts);
    return 'tooMany' in summary ? summary : { ...summary, mostFollowed: mostFollowedOf(parts) };
  }

  /** {@link chartsOfLink} of all links of a user. */
  async chartsOfOwner(userId: bigint, question: ChartsQuestion): Promise<Asking<ClickCharts & MostFollowed>> {
    const of = question.dimensions.map((dimension) => [dimension, this.#maxValues] as const);
    const parts = await this.#readOwner(userId, question.time, { range: question.values.range, of });
    const charts = chartsOf(question, parts);
    return 'tooMany' in charts ? charts : { ...charts, mostFollowed: mostFollowedOf(parts) };
  }

  get #maxValues(): number {
    return this.#servers.length === 1 ? MAX_VALUES : MAX_MERGED;
  }

  async #readLink({ key, slot }: AskedLink, question: Question, values: ValuesAsked): Promise<Part> {
    const server = this.#servers.find(({ slots }) => slots.includes(slot));
    if (server === undefined) throw new RangeError(`no urls server has slot ${slot}`);
    return readPart(server, { kind: LINK, name: key }, question, values);
  }

  /** The links themselves are the last ones of the values. */
  async #readOwner(userId: bigint, question: Question, { range, of }: ValuesAsked): Promise<Part[]> {
    const subject = { kind: OWNER, name: String(userId) };
    const values: ValuesAsked = { range, of: [...of, ['link', MOST_FOLLOWED]] };
    return Promise.all(this.#servers.map(async (server) => readPart(server, subject, question, values)));
  }
}

interface AskedLink {
  readonly key: string;
  readonly slot: number;
}

interface MostFollowed {
  readonly mostFollowed: readonly ValueCount[];
}

/** A link is on one server, so the first ones of all are among the first ones of each. */
function mostFollowedOf(parts: readonly Part[]): ValueCount[] {
  return mostFrequent(
    parts.map(({ values }) => values.at(-1) ?? NO_VALUES),
    MOST_FOLLOWED,
  );
}

function valuesOf({ by }: Question, maxValues: number): ValuesAsked['of'] {
  return by === 'time' ? [] : [[by, maxValues]];
}

async function readPart(
  { db, isUp }: StatisticsServer,
  subject: AskedSubject,
  { range, utcDays, hasHours }: Question,
  asked: ValuesAsked,
): Promise<Part> {
  if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
  const readValues = async (): Promise<ValueCounts[]> => {
    if (asked.of.length === 0) return [];
    const parts = divide(asked.range, await db.closedMonths(subject, asked.range));
    // One may be `(other)`.
    return db.values(
      subject,
      asked.of.map(([dimension, count]) => ({ dimension, count: count + 1, ...parts })),
    );
  };
  const readTimes = async (): Promise<TimeCounts> => db.times(subject, range, hasHours ? 'hour' : 'day');
  const first = asked.needsClicks === true ? await readTimes() : undefined;
  if (first?.hours.length === 0 && first.days.length === 0)
    return { times: first, visitors: 0, values: asked.of.map(() => NO_VALUES) };
  const [times, visitors, values] = await Promise.all([
    first ?? readTimes(),
    db.visitors(subject, utcDays),
    readValues(),
  ]);
  return { times, visitors, values };
}

function chartsOf({ time, dimensions }: ChartsQuestion, parts: readonly Part[]): Asking<ClickCharts> {
  const summary = summarise(time, parts);
  if ('tooMany' in summary) return summary;
  return { ...summary, values: dimensions.map((_, index) => mergedValues(parts, summary, index)) };
}

function summarise(question: Question, parts: readonly Part[]): Asking<ClickStatistics> {
  const times = parts.map((part) => part.times);
  const all = times.flatMap(({ hours, days }) => [...hours, ...days]);
  const { by, hasHours, isOfFullHours, isOfUtcDays } = question;
  const isByTime = by === 'time';
  const items = isByTime ? toTimeItems(question, times) : [];
  if (items === undefined) return { tooMany: true };
  const visitors = sum(parts.map((part) => part.visitors));
  const clicks = { humans: sum(all.map(({ humans }) => humans)), bots: sum(all.map(({ bots }) => bots)) };
  const isExact = isByTime && hasHours && isOfFullHours && times.every(({ days }) => days.length === 0);
  return {
    ...clicks,
    visitors,
    isApproximate: !isExact || (visitors > 0 && !isOfUtcDays),
    items: isByTime ? { times: items } : { values: mergedValues(parts, clicks, 0) },
  };
}

/**
 * @param clicks those of the period
 * @param index among the values that were asked for
 */
function mergedValues(parts: readonly Part[], clicks: Counts, index: number): readonly ValueCount[] {
  return mergeValues(
    parts.map(({ values }) => values[index] ?? NO_VALUES),
    clicks,
    MAX_VALUES,
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
