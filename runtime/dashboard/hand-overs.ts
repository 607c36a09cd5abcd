import type { LockSeen, TimelineEvent } from './seen.ts';
import { TIMELINE_MS } from './timeline.ts';

/** A time during which one producer held a shard, within the hour that is shown. Pure. */
export interface Span {
  readonly owner: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly epoch: number | null;
}

/** A shard that has got another holder. */
export interface HandOver {
  readonly atMs: number;
  readonly shard: string;
  /** Null: unknown, or it had none. */
  readonly from: string | null;
  readonly to: string;
  readonly epoch: number | null;
  /** How long nobody held it. Null: unknown. */
  readonly freeMs: number | null;
}

/**
 * Who held a shard when.
 * @param events of this shard, from the oldest
 * @param lock as it is now
 */
export function spansOf(events: readonly TimelineEvent[], lock: LockSeen | undefined, nowMs: number): Span[] {
  const spans: Span[] = [];
  const beginMs = nowMs - TIMELINE_MS;
  let open: { owner: string; fromMs: number; epoch: number | null } | undefined;
  const close = (toMs: number): void => {
    if (open !== undefined && toMs > beginMs) spans.push({ ...open, toMs });
    open = undefined;
  };
  for (const { kind, atMs, what: owner, epoch } of inOrder(events)) {
    if (kind === 'taken') {
      close(atMs);
      open = { owner, fromMs: atMs, epoch };
    } else if (kind === 'ready' && open?.owner === owner) open = { ...open, epoch };
    else if (kind === 'freed') {
      // Taken before the events begin.
      if (open === undefined && spans.length === 0) open = { owner, fromMs: beginMs, epoch };
      close(atMs);
    }
  }
  if (lock !== undefined && lock.owner !== null) {
    const sinceMs = Date.parse(lock.since ?? '');
    const fromMs = Math.max(
      beginMs,
      Number.isNaN(sinceMs) ? (open?.fromMs ?? beginMs) : Math.min(sinceMs, nowMs),
    );
    if (open?.owner !== lock.owner) close(fromMs);
    open = { owner: lock.owner, fromMs: Math.max(beginMs, open?.fromMs ?? fromMs), epoch: lock.epoch };
    close(nowMs);
  } else close(nowMs);
  return spans;
}

/** The changes of holders, the newest first. */
export function handOversOf(events: readonly TimelineEvent[]): HandOver[] {
  const freed = new Map<string, TimelineEvent>();
  const holders = new Map<string, string>();
  const found: HandOver[] = [];
  /** Where the last one of a shard to a holder stands. */
  const places = new Map<string, number>();
  for (const { kind, atMs, subject: shard, what, epoch } of inOrder(events)) {
    if (kind === 'freed') {
      freed.set(shard, { id: '', atMs, kind, subject: shard, what, epoch });
      holders.set(shard, what);
    } else if (kind === 'taken') {
      const last = freed.get(shard);
      const freeMs = last === undefined ? null : Math.max(0, atMs - last.atMs);
      places.set(`${shard} ${what}`, found.length);
      found.push({ atMs, shard, from: holders.get(shard) ?? null, to: what, epoch, freeMs });
      holders.set(shard, what);
      freed.delete(shard);
    } else if (kind === 'ready') {
      const at = places.get(`${shard} ${what}`);
      const one = at === undefined ? undefined : found[at];
      if (at !== undefined && one !== undefined) found[at] = { ...one, epoch };
    }
  }
  return found.toReversed();
}

/**
 * The end of a reign before the begin of the next one. The next holder has written the begin, by its own
 * clock, and others have noticed the end a moment later.
 */
export function inOrder(events: readonly TimelineEvent[]): readonly TimelineEvent[] {
  const places: Place[] = [];
  /** By shard. */
  const begins = new Map<string, Place>();
  for (const event of events) {
    const begin = event.kind === 'freed' ? begins.get(event.subject) : undefined;
    if (begin === undefined || reignOf(begin.event) === reignOf(event)) {
      const place = { event, before: [] };
      places.push(place);
      if (event.kind === 'taken') begins.set(event.subject, place);
    } else begin.before.push({ ...event, atMs: Math.min(event.atMs, begin.event.atMs) });
  }
  return places.flatMap(({ before, event }) => [...before, event]);
}

interface Place {
  readonly event: TimelineEvent;
  /** What belongs before it, and came after it. */
  readonly before: TimelineEvent[];
}

/** Shard, holder and begin. */
function reignOf({ id }: TimelineEvent): string {
  return id.slice(id.indexOf(' '));
}
