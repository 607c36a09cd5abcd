import type { IssuedKey } from '../keys-db/batch.ts';
import type { Keyspace } from '../keyspace/key.ts';
import type { WalkedLink } from '../urls/stored-links.ts';
import { findBound } from './bound.ts';
import { IdWindow } from './id-window.ts';
import { regionOfCounter, regionOfKeysDb, type IssuedRegion } from './issued-region.ts';
import { walkLinks } from './links-walk.ts';
import { lookAround, type Sightings } from './sightings.ts';
import type { AuditSources } from './sources.ts';

/**
 * Where all keys are. Each issued key is counted once, in one of pending … unknown: the furthest place in
 * which it was seen.
 */
export interface AuditReport {
  /** Keys whose id is not above the claim mark. */
  issued: number;
  unused: number;
  pending: number;
  pooled: number;
  /** Held by a mapper. */
  reserved: number;
  bound: number;
  /** Found nowhere, although every store and mapper answered. */
  leaked: number;
  /** Found nowhere, and never recycled, because it may have been published. */
  written_off: number;
  /** Found nowhere, while some store or mapper did not answer. */
  unknown: number;
  /** Keys claimed again so far. */
  recycled: number;
  /** Links whose user chose the key. */
  aliases: number;
  /** Keys that have rows on more than one urls server. */
  duplicates: number;
  /** Keys seen in two places. Harmless. */
  repeated: number;
  balanced: boolean;
  /** Stores and mappers that did not answer. */
  unreachable: string[];
}

/** Ids of each keys-db per walk over the links: 16 MB of bits for each keys-db. */
const WINDOW = 2 ** 27;
const IDS_PER_PAGE = 20_000;
/** Most missing keys to search a second time. When more are missing, a few keys in motion do not matter. */
const MAX_SEARCHED_AGAIN = 200_000;

/** A bound key above the claim mark: claimed after the mark was read, or never issued. */
interface BoundAbove {
  readonly region: number;
  readonly id: number;
}

/**
 * Accounts for every key. Reads the claim marks, then pending batches, pools, mappers and urls in the
 * direction in which keys flow, then all keys by id. It only reads. Its memory grows with the issued keys
 * that are not bound yet, not with all issued keys.
 *
 * @throws StoreUnavailableError when a keys-db or the mark of the counter does not answer, because the issued
 *   keys are then unknown
 */
export async function audit(sources: AuditSources, signal?: AbortSignal): Promise<AuditReport> {
  const { keyspace, urlsDbs, counter } = sources;
  const regions = await Promise.all([
    ...sources.keysDbs.map(regionOfKeysDb),
    ...(counter === undefined ? [] : [regionOfCounter(keyspace, counter)]),
  ]);
  const sightings = await lookAround(sources, signal);
  const report = emptyReport(regions, sightings.unreachable);
  const missing: Missing[] = [];
  const above: BoundAbove[] = [];
  let isComplete = true;
  const marks = new Map(regions.map(({ region, mark }) => [region, mark]));
  const highest = Math.max(0, ...marks.values());
  for (let first = 1; first <= Math.max(1, highest); first += WINDOW) {
    const last = first + WINDOW - 1;
    const bound = new Map(
      [...marks].map(([region, mark]) => [region, new IdWindow(first, Math.min(last, mark))]),
    );
    const isFirstWalk = first === 1;
    const visit = (links: readonly WalkedLink[]): void => {
      if (isFirstWalk) report.aliases += links.filter(({ isAlias }) => isAlias).length;
      markBound(keyspace, links, marks, bound, isFirstWalk ? above : undefined);
    };
    const walk = await walkLinks(urlsDbs, visit, signal);
    addUnreachable(report, walk.unreachable);
    if (isFirstWalk) report.duplicates = walk.duplicates;
    for (const issued of regions) {
      const range = { first, last: Math.min(last, issued.mark) };
      const count = { issued, range, bound: bound.get(issued.region), sightings, report, missing };
      if (!(await countKeys(count, signal))) isComplete = false;
    }
  }
  await searchAgain(sources, missing, report, signal);
  const boundAbove = await countAbove(regions, above);
  report.balanced = isComplete && isBalanced(report) && boundAbove === 0;
  return report;
}

function emptyReport(regions: readonly IssuedRegion[], unreachable: readonly string[]): AuditReport {
  const sum = (value: (region: IssuedRegion) => number): number =>
    regions.reduce((total, region) => total + value(region), 0);
  return {
    issued: 0,
    unused: sum(({ unused }) => unused),
    pending: 0,
    pooled: 0,
    reserved: 0,
    bound: 0,
    leaked: 0,
    written_off: 0,
    unknown: 0,
    recycled: sum(({ recycled }) => recycled),
    aliases: 0,
    duplicates: 0,
    repeated: 0,
    balanced: false,
    unreachable: [...unreachable],
  };
}

/** Marks the ids of links whose keys belong to our regions. */
function markBound(
  keyspace: Keyspace,
  links: readonly WalkedLink[],
  marks: ReadonlyMap<number, number>,
  bound: ReadonlyMap<number, IdWindow>,
  above: BoundAbove[] | undefined,
): void {
  keyspace.locateAll(links.map(({ key }) => key)).forEach((place, i) => {
    const mark = place && marks.get(place.region);
    if (!place || mark === undefined) return;
    if (place.id <= mark) bound.get(place.region)?.add(place.id);
    // An alias may spell a key that has not been issued yet. A key from a pool cannot be bound before it is
    // issued.
    else if (links[i]?.isAlias !== true) above?.push(place);
  });
}

interface Missing extends IssuedKey {
  readonly issued: IssuedRegion;
}

interface Count {
  readonly issued: IssuedRegion;
  readonly range: { first: number; last: number };
  readonly bound: IdWindow | undefined;
  readonly sightings: Sightings;
  readonly report: AuditReport;
  readonly missing: Missing[];
}

/**
 * Reads the keys of a range of ids and counts each in the furthest place where it was seen.
 * @returns false when the keys-db lacks a row
 */
async function countKeys(
  { issued, range, bound, sightings, report, missing }: Count,
  signal?: AbortSignal,
): Promise<boolean> {
  let isComplete = true;
  for (let first = range.first; first <= range.last; first += IDS_PER_PAGE) {
    signal?.throwIfAborted();
    const last = Math.min(first + IDS_PER_PAGE - 1, range.last);
    const page = await issued.keysBetween(first, last);
    report.issued += page.keys.length;
    const lost: IssuedKey[] = [];
    if (!page.isComplete) isComplete = false;
    for (const { id, key } of page.keys) {
      const seen = sightings.find(issued.region, id);
      const isBound = bound?.has(id) ?? false;
      if (seen && (isBound || seen.isRepeated)) report.repeated += 1;
      if (isBound) report.bound += 1;
      else if (seen) report[seen.place] += 1;
      else if (missing.length < MAX_SEARCHED_AGAIN) missing.push({ issued, id, key });
      else lost.push({ id, key });
    }
    await countLost(report, issued, lost);
  }
  return isComplete;
}

/** Searches missing keys again. A key put back by a mapper that stopped, or in flight, has arrived by now. */
async function searchAgain(
  sources: AuditSources,
  missing: readonly Missing[],
  report: AuditReport,
  signal?: AbortSignal,
): Promise<void> {
  if (missing.length === 0) return;
  const sightings = await lookAround(sources, signal);
  addUnreachable(report, sightings.unreachable);
  const { bound, unreachable } = await findBound(
    sources.urlsDbs,
    missing.map(({ key }) => key),
  );
  addUnreachable(report, unreachable);
  for (const [issued, some] of Map.groupBy(missing, (key) => key.issued)) {
    const lost = some.filter(({ id, key }) => {
      const seen = sightings.find(issued.region, id);
      if (bound.has(key)) report.bound += 1;
      else if (seen) report[seen.place] += 1;
      else return true;
      return false;
    });
    await countLost(report, issued, lost);
  }
}

/** Counts keys that were found nowhere. */
async function countLost(
  report: AuditReport,
  issued: IssuedRegion,
  keys: readonly IssuedKey[],
): Promise<void> {
  if (report.unreachable.length > 0) {
    report.unknown += keys.length;
    return;
  }
  const writtenOff = await issued.countWrittenOff(keys);
  report.written_off += writtenOff;
  report.leaked += keys.length - writtenOff;
}

function addUnreachable(report: AuditReport, names: readonly string[]): void {
  report.unreachable = [...new Set([...report.unreachable, ...names])];
}

/** Counts bound pool keys that are not issued. Keys claimed after the marks were read do not count. */
async function countAbove(regions: readonly IssuedRegion[], above: readonly BoundAbove[]): Promise<number> {
  if (above.length === 0) return 0;
  const now = new Map(
    await Promise.all(regions.map(async (issued) => [issued.region, await issued.readMark()] as const)),
  );
  return above.filter(({ region, id }) => id > (now.get(region) ?? 0)).length;
}

/** The places must sum up to the issued keys. */
function isBalanced(report: AuditReport): boolean {
  const { issued, pending, pooled, reserved, bound, leaked, written_off: writtenOff, unknown } = report;
  return pending + pooled + reserved + bound + leaked + writtenOff + unknown === issued;
}
