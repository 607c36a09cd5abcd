import { randomUUID } from 'node:crypto';
import { EVENT_KINDS, type EventKind, type LockSeen, type TimelineEvent } from './seen.ts';

/** How far the timeline goes back. */
export const TIMELINE_MS = 3_600_000;
/** More than a shard in trouble makes in an hour. The oldest are forgotten. */
const MAX_EVENTS = 2_000;
/** Two processes notice the same change of a store within this time. */
const SAME_CHANGE_MS = 5_000;

interface Numbered {
  readonly event: TimelineEvent;
  /** Later ones have higher numbers, whatever their times are. */
  readonly number: number;
}

/** What happened within the last hour. Bounded. */
export class Timeline {
  readonly #now: () => number;
  /** Of this run of the process: the numbers of another run mean nothing. */
  readonly #run = randomUUID();
  readonly #events = new Map<string, Numbered>();
  readonly #lastOfStore = new Map<string, TimelineEvent>();
  /** {@link all}, until something changes. */
  #sorted: readonly TimelineEvent[] | undefined;
  /** How many events were added or corrected so far. */
  #number = 0;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Adds what is not known yet. Of one event that several processes saw, the earliest time counts. The clock
   * of another process may be ahead: nothing has happened later than now.
   */
  add(events: readonly TimelineEvent[]): void {
    const nowMs = this.#now();
    for (const told of events) {
      const event = told.atMs > nowMs ? { ...told, atMs: nowMs } : told;
      if (event.atMs < nowMs - TIMELINE_MS || this.#isOldNews(event)) continue;
      const known = this.#events.get(event.id)?.event;
      if (known !== undefined && event.atMs >= known.atMs) continue;
      this.#number += 1;
      this.#events.set(event.id, { event, number: this.#number });
      this.#sorted = undefined;
    }
    if (this.#events.size > MAX_EVENTS) this.#forgetOldest();
  }

  /** From the oldest to the newest. The same list as before if nothing has changed. */
  all(): readonly TimelineEvent[] {
    const oldest = this.#now() - TIMELINE_MS;
    if (this.#sorted !== undefined && (this.#sorted[0]?.atMs ?? oldest) >= oldest) return this.#sorted;
    for (const { event } of this.#events.values()) if (event.atMs < oldest) this.#forget(event);
    this.#sorted = [...this.#events.values()].map(({ event }) => event).sort((a, b) => a.atMs - b.atMs);
    return this.#sorted;
  }

  /**
   * What was added or corrected after `mark`, from the oldest to the newest, and the next mark. Everything
   * for an asker that has no mark, or one of an earlier run of this process.
   */
  after(mark = ''): { readonly events: readonly TimelineEvent[]; readonly mark: string } {
    const [run, number] = mark.split(' ');
    const after = run === this.#run ? Number(number) : 0;
    const all = this.all();
    const events = after > 0 ? all.filter(({ id }) => (this.#events.get(id)?.number ?? 0) > after) : all;
    return { events, mark: `${this.#run} ${this.#number}` };
  }

  /** Another process has told of this change of a store a moment ago. */
  #isOldNews(event: TimelineEvent): boolean {
    if (isOfShard(event.kind)) return false;
    const key = storeKey(event.kind, event.subject);
    const last = this.#lastOfStore.get(key);
    if (last !== undefined && Math.abs(event.atMs - last.atMs) < SAME_CHANGE_MS) return last.id !== event.id;
    this.#lastOfStore.set(key, event);
    return false;
  }

  #forgetOldest(): void {
    for (const event of this.all().slice(0, -MAX_EVENTS)) this.#forget(event);
    this.#sorted = undefined;
  }

  #forget({ id, kind, subject }: TimelineEvent): void {
    this.#events.delete(id);
    const key = storeKey(kind, subject);
    if (this.#lastOfStore.get(key)?.id === id) this.#lastOfStore.delete(key);
  }
}

function storeKey(kind: EventKind, subject: string): string {
  return `${kind} ${subject}`;
}

export function isOfShard(kind: EventKind): boolean {
  return kind === 'taken' || kind === 'freed' || kind === 'ready';
}

/**
 * What has happened to the locks between two looks. Pure.
 * @param before undefined at the first look: only what the locks say themselves is known
 */
export function lockEvents(
  before: readonly LockSeen[] | undefined,
  after: readonly LockSeen[],
  nowMs: number,
): TimelineEvent[] {
  const old = new Map(before?.map((lock) => [lock.shard, lock]));
  return after.flatMap((lock) => {
    const last = old.get(lock.shard);
    const isSame = last?.owner === lock.owner && last.since === lock.since;
    const events: TimelineEvent[] = [];
    if (!isSame && last !== undefined && last.owner !== null) events.push(eventOf('freed', last, nowMs));
    if (!isSame && lock.owner !== null) events.push(eventOf('taken', lock, takenAt(lock, nowMs)));
    if (lock.owner !== null && lock.epoch !== null && !(isSame && last.epoch === lock.epoch))
      events.push(eventOf('ready', lock, before === undefined ? takenAt(lock, nowMs) : nowMs));
    return events;
  });
}

/** A change of a store. @param what in plain words */
export function storeEvent(kind: EventKind, subject: string, what: string, nowMs: number): TimelineEvent {
  return { id: `${kind} ${subject} ${nowMs}`, atMs: nowMs, kind, subject, what, epoch: null };
}

function eventOf(kind: EventKind, { shard, owner, since, epoch }: LockSeen, atMs: number): TimelineEvent {
  const id = `${kind} ${shard} ${owner ?? ''} ${since ?? ''}`;
  return { id, atMs, kind, subject: shard, what: owner ?? '', epoch };
}

/** The clock of the holder may be ahead of ours. */
function takenAt({ since }: LockSeen, nowMs: number): number {
  const atMs = Date.parse(since ?? '');
  return Number.isNaN(atMs) ? nowMs : Math.min(atMs, nowMs);
}

/** The most characters of a text that another process sends. */
const MAX_TEXT = 300;

/** Reads events of another process. What is none is left out. */
export function parseEvents(json: unknown): TimelineEvent[] {
  if (!Array.isArray(json)) return [];
  return json.slice(-MAX_EVENTS).flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null) return [];
    const { id, atMs, kind, subject, what, epoch } = item as Partial<Record<keyof TimelineEvent, unknown>>;
    const known = EVENT_KINDS.find((name) => name === kind);
    if (known === undefined || typeof id !== 'string' || typeof subject !== 'string') return [];
    if (typeof what !== 'string' || typeof atMs !== 'number' || !Number.isSafeInteger(atMs)) return [];
    return [
      {
        id: id.slice(0, MAX_TEXT),
        atMs,
        kind: known,
        subject: subject.slice(0, MAX_TEXT),
        what: what.slice(0, MAX_TEXT),
        epoch: typeof epoch === 'number' ? epoch : null,
      },
    ];
  });
}
