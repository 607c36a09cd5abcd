import { DIMENSIONS, type Dimension } from '../../../db/clicks/dimensions.ts';
import { toSqlDay, toSqlHour } from '../../../db/clicks/sql-times.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import type { PrivateServer } from './private-server.ts';

export interface FollowedLink {
  readonly key: string;
  readonly slot: number;
  /** The n-th owner. */
  readonly owner: number;
  /** Clicks of all days. */
  readonly clicks: number;
}

export const DAYS = 90;

/** How many connections fill the server side by side. */
const LANES = 2;

/** How often the progress is told. */
const TOLD_ROWS = 10_000_000;

/** How many values of a dimension there are. */
const VALUES: Readonly<Record<Exclude<Dimension, 'link'>, number>> = {
  referrer: 150,
  country: 60,
  language: 30,
  browser: 10,
  os: 8,
  device: 3,
};

const NAMES = new Map(
  (Object.entries(VALUES) as [keyof typeof VALUES, number][]).map(([dimension, count]) => [
    DIMENSIONS[dimension],
    Array.from({ length: count }, (_, n) => `${dimension}-${n}`),
  ]),
);

/** The first ones are followed most, by Zipf. Each owner has as many as the others. */
export function makeLinks(count: number, owners: number, clicks: number): FollowedLink[] {
  const all = Array.from({ length: count }, (_, n) => 1 / (n + 1)).reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: count }, (_, n) => {
    const key = `link-${n.toString(36)}`;
    const own = Math.max(1, Math.round(clicks / (n + 1) / all));
    return { key, slot: slotOf(key), owner: n % owners, clicks: own };
  });
}

/** Stores the links, and their clicks of the last days as flushes would. @param ids of the owners, rising */
export async function fillWithClicks(
  server: PrivateServer,
  links: readonly FollowedLink[],
  ids: readonly bigint[],
): Promise<void> {
  const ordered = links.toSorted((a, b) => a.slot - b.slot || (a.key < b.key ? -1 : 1));
  const own = ordered.map((link) => ({ ...link, id: ids[link.owner] as bigint }));
  await server.load(
    'urls (slot, unique_id, original_url, created_at, request_id, user_id)',
    own.map(
      ({ slot, key, id }) => `${slot},'${key}','https://example.com/','2026-01-01','${'x'.repeat(16)}',${id}`,
    ),
  );
  await server.load(
    'owned',
    own
      .toSorted((a, b) => (a.id === b.id ? (a.key < b.key ? -1 : 1) : a.id < b.id ? -1 : 1))
      .map(({ slot, key, id }) => `${id},'2026-01-01','${key}',${slot},'${'x'.repeat(16)}'`),
  );
  await server.load(
    'click_totals',
    ordered.map(({ slot, key, clicks }) => `${slot},'${key}',${clicks},0`),
  );
  const calendar = new Calendar();
  const linksOf = Map.groupBy(ordered, ({ owner }) => owner);
  const owners = ids.map((id, owner) => ({ id, links: linksOf.get(owner) ?? [] }));
  await loadAll(server, 'click_hours', partsOf(ordered), (part) => hoursOf(part, calendar));
  await loadAll(server, 'click_values', partsOf(ordered), (part) => valuesOf(part, calendar));
  await loadAll(server, 'click_visitor_days', partsOf(ordered), (part) => visitorsOf(part, calendar));
  await loadAll(server, 'owner_hours', partsOf(owners), (part) => ownerHoursOf(part, calendar));
  await loadAll(server, 'owner_values', partsOf(owners), (part) => ownerValuesOf(part, calendar));
  await loadAll(server, 'owner_visitor_days', partsOf(owners), (part) => ownerVisitorsOf(part, calendar));
}

/** In order, one for each lane: a table grows in so many places of its primary key. */
function partsOf<T>(all: readonly T[]): (readonly T[])[] {
  const size = Math.ceil(all.length / LANES);
  return Array.from({ length: LANES }, (_, lane) => all.slice(lane * size, (lane + 1) * size));
}

async function loadAll<T>(
  server: PrivateServer,
  table: string,
  parts: readonly (readonly T[])[],
  rowsOf: (part: readonly T[]) => Iterable<string>,
): Promise<void> {
  const startedMs = monotonicMs();
  let [rows, told] = [0, 0];
  const tell = (): void => {
    told = rows;
    const seconds = (monotonicMs() - startedMs) / 1_000;
    process.stdout.write(`      ${rows} ${table} in ${seconds.toFixed(1)} s\n`);
  };
  const onStored = (more: number): void => {
    rows += more;
    if (rows - told >= TOLD_ROWS) tell();
  };
  await Promise.all(parts.map(async (part) => server.load(table, rowsOf(part), onStored)));
  tell();
}

/** The days as they stand in statements: to write them takes longer than all else of a row. */
class Calendar {
  readonly days: readonly string[];
  /** Of all days, one after the other. */
  readonly hours: readonly string[];

  constructor() {
    const first = Math.floor(Date.now() / 86_400_000) - DAYS + 1;
    this.days = Array.from({ length: DAYS }, (_, day) => toSqlDay(first + day));
    this.hours = Array.from({ length: DAYS * 24 }, (_, hour) => toSqlHour(first * 24 + hour));
  }
}

/** The n-th part of clicks that are spread evenly. */
function partOf(clicks: number, n: number, parts: number): number {
  return Math.floor((clicks * (n + 1)) / parts) - Math.floor((clicks * n) / parts);
}

/** How many of a link's clicks are on its n-th day: evenly, and fewer than one a day on some days. */
function ofDay({ clicks, key }: FollowedLink, day: number): number {
  const offset = (key.charCodeAt(key.length - 1) * 7 + key.length * 13) % DAYS;
  return partOf(clicks, (day + offset) % DAYS, DAYS);
}

/** Which value the n-th one of a day is. */
function valueOf({ clicks }: FollowedLink, day: number, n: number, count: number): number {
  return (n + day + clicks) % count;
}

const visitorsIn = (clicks: number): number => Math.ceil(clicks * 0.7);

function* hoursOf(links: readonly FollowedLink[], { hours }: Calendar): Generator<string> {
  for (const link of links)
    for (let day = 0; day < DAYS; day += 1) {
      const clicks = ofDay(link, day);
      if (clicks === 0) continue;
      for (let hour = 0; hour < 24; hour += 1) {
        const own = partOf(clicks, hour, 24);
        if (own > 0) yield `${link.slot},'${link.key}',${hours[day * 24 + hour]},${own},0`;
      }
    }
}

function* valuesOf(links: readonly FollowedLink[], { days }: Calendar): Generator<string> {
  for (const link of links)
    for (const [dimension, names] of NAMES)
      for (let day = 0; day < DAYS; day += 1) {
        const clicks = ofDay(link, day);
        const values = Math.min(clicks, names.length);
        for (let n = 0; n < values; n += 1) {
          const name = names[valueOf(link, day, n, names.length)];
          yield `${link.slot},'${link.key}',${dimension},${days[day]},'${name}',${partOf(clicks, n, values)},0`;
        }
      }
}

function* visitorsOf(links: readonly FollowedLink[], { days }: Calendar): Generator<string> {
  for (const link of links)
    for (let day = 0; day < DAYS; day += 1) {
      const clicks = ofDay(link, day);
      if (clicks > 0) yield `${link.slot},'${link.key}',${days[day]},${visitorsIn(clicks)}`;
    }
}

interface Owner {
  readonly id: bigint;
  readonly links: readonly FollowedLink[];
}

function* ownerHoursOf(owners: readonly Owner[], { hours }: Calendar): Generator<string> {
  for (const { id, links } of owners) {
    const sums = new Float64Array(hours.length);
    for (const link of links)
      for (let day = 0; day < DAYS; day += 1) {
        const clicks = ofDay(link, day);
        for (let hour = 0; hour < 24; hour += 1) addTo(sums, day * 24 + hour, partOf(clicks, hour, 24));
      }
    for (const [hour, clicks] of sums.entries()) if (clicks > 0) yield `${id},${hours[hour]},${clicks},0`;
  }
}

function* ownerValuesOf(owners: readonly Owner[], { days }: Calendar): Generator<string> {
  for (const { id, links } of owners) {
    for (const [dimension, names] of NAMES) {
      const sums = sumsOf(links, names.length);
      const sorted = [...names.entries()].sort(([, a], [, b]) => (a < b ? -1 : 1));
      for (let day = 0; day < DAYS; day += 1)
        for (const [value, name] of sorted) {
          const clicks = sums[day * names.length + value];
          if (clicks !== 0) yield `${id},${dimension},${days[day]},'${name}',${clicks},0`;
        }
    }
    const sorted = links.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    for (let day = 0; day < DAYS; day += 1)
      for (const link of sorted) {
        const clicks = ofDay(link, day);
        if (clicks > 0) yield `${id},${DIMENSIONS.link},${days[day]},'${link.key}',${clicks},0`;
      }
  }
}

function addTo(sums: Float64Array, at: number, clicks: number): void {
  sums[at] = (sums[at] ?? 0) + clicks;
}

/** The clicks of so many values on each day, one day after the other. */
function sumsOf(links: readonly FollowedLink[], count: number): Float64Array {
  const sums = new Float64Array(DAYS * count);
  for (const link of links)
    for (let day = 0; day < DAYS; day += 1) {
      const clicks = ofDay(link, day);
      const values = Math.min(clicks, count);
      for (let n = 0; n < values; n += 1)
        addTo(sums, day * count + valueOf(link, day, n, count), partOf(clicks, n, values));
    }
  return sums;
}

function* ownerVisitorsOf(owners: readonly Owner[], { days }: Calendar): Generator<string> {
  for (const { id, links } of owners)
    for (let day = 0; day < DAYS; day += 1) {
      const visitors = links.reduce((sum, link) => sum + visitorsIn(ofDay(link, day)), 0);
      if (visitors > 0) yield `${id},${days[day]},${visitors}`;
    }
}
