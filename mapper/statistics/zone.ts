const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Between two changes of its clocks, a zone has one offset. */
interface Span {
  readonly startMs: number;
  /** Of the next span. */
  readonly endMs: number;
  readonly offsetMs: number;
}

/**
 * A time zone, for calendar days and months as people there have them. Days are counted from 1970-01-01, in
 * local time. Months are counted from January of the year 0.
 *
 * Its offsets are looked up once. Asked for each of some thousand hours, the platform would take
 * milliseconds.
 */
export class Zone {
  /** As its database of zones spells it. */
  readonly name: string;
  /** The last one has no end: later changes of the clocks are not known. */
  readonly #spans: readonly Span[];

  private constructor(name: string, spans: readonly Span[]) {
    this.name = name;
    this.#spans = spans;
  }

  /**
   * @param name an IANA name, such as `Europe/Berlin`, or an offset, such as `+05:30`
   * @param untilMs changes of the clocks after this time are not looked up
   * @returns undefined for a name that no zone has
   */
  static find(name: string, untilMs: number): Zone | undefined {
    try {
      return new Zone(new Temporal.ZonedDateTime(0n, name).timeZoneId, spansOf(name, untilMs));
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** Whether its days begin at full hours of UTC, all the time between two instants. */
  hasFullHours(fromMs: number, toMs: number): boolean {
    return this.#spans.every(
      ({ startMs, endMs, offsetMs }) => offsetMs % HOUR_MS === 0 || endMs <= fromMs || startMs >= toMs,
    );
  }

  /** The day to which an instant belongs. */
  dayOf(atMs: number): number {
    return Math.floor((atMs + this.#spanAt(atMs).offsetMs) / DAY_MS);
  }

  /**
   * The first instant of a day. It is not always midnight: where clocks go forward at midnight, the day
   * begins an hour later.
   */
  startOfDay(day: number): number {
    const midnight = day * DAY_MS;
    const span = this.#spans.find(({ endMs, offsetMs }) => midnight < endMs + offsetMs) as Span;
    return Math.max(span.startMs, midnight - span.offsetMs);
  }

  startOfMonth(month: number): number {
    return this.startOfDay(firstDayOf(month));
  }

  #spanAt(atMs: number): Span {
    return this.#spans.findLast(({ startMs }) => startMs <= atMs) ?? (this.#spans[0] as Span);
  }
}

/** The month of a day. */
export function monthOfDay(day: number): number {
  const date = new Date(day * DAY_MS);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

export function firstDayOf(month: number): number {
  return Date.UTC(Math.floor(month / 12), month % 12, 1) / DAY_MS;
}

function spansOf(name: string, untilMs: number): Span[] {
  const spans: Span[] = [];
  let at = new Temporal.ZonedDateTime(0n, name);
  let startMs = -Infinity;
  for (;;) {
    const next = at.getTimeZoneTransition('next');
    const hasNext = next !== null && next.epochMilliseconds <= untilMs;
    const endMs = hasNext ? next.epochMilliseconds : Infinity;
    spans.push({ startMs, endMs, offsetMs: at.offsetNanoseconds / 1e6 });
    if (!hasNext) return spans;
    at = next;
    startMs = endMs;
  }
}
