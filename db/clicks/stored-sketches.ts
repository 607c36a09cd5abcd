import { toSqlText } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { HOUR_MS, type DayVisitors } from './click-flush.ts';
import { Sketch } from './sketch.ts';
import { dayOf, toDay, toSqlDay } from './sql-times.ts';
import type { SubjectClicks, SubjectKind } from './subject.ts';

/**
 * So long a process remembers what it has stored, at most: somebody else may delete a row, with its link or
 * when the server is restored.
 */
const REMEMBERED_MS = 30_000;
/** Of the sketches that are remembered, about. */
const MAX_BYTES = 16 * 2 ** 20;
/** Sketches of earlier days may be replaced by a number at any time. */
const REMEMBERED_DAYS = 1;

export interface StoredSketchesOptions {
  readonly db: Mysql;
  readonly kind: SubjectKind;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Unix time in ms. */
  readonly wallClock: () => number;
}

/** A flush in which each sketch has all visitors of its day. */
export interface WholeVisitors {
  readonly subjects: readonly SubjectClicks[];
  /** The flush was stored. */
  readonly stored: () => void;
}

/**
 * The sketches that a source has stored, to which those of a flush are added. Nobody else writes the rows of
 * a source, so they can be read before a flush, and remembered when it is stored: most links are followed
 * again soon.
 */
export class StoredSketches {
  readonly #options: StoredSketchesOptions;
  /** As they are stored. */
  readonly #remembered = new Map<string, Sketch>();
  #bytes = 0;
  #beganMs: number;

  constructor(options: StoredSketchesOptions) {
    this.#options = options;
    this.#beganMs = options.now();
  }

  /**
   * Adds the visitors that this source has stored before to those of a flush, and leaves out those of days on
   * which all were stored already. While the flush is under way nothing is remembered of its subjects, so
   * that a repetition reads them again.
   * @throws StoreUnavailableError
   */
  async complete(
    subjects: readonly SubjectClicks[],
    source: string,
    timeoutMs: number,
  ): Promise<WholeVisitors> {
    this.#forget();
    const known = new Map<string, Sketch>();
    const unknown: string[] = [];
    for (const { id, visitors } of subjects)
      for (const { day } of visitors) {
        const place = placeOf(id, day, source);
        const sketch = this.#take(place);
        if (sketch !== undefined) known.set(place, sketch);
        else unknown.push(`(${id},${toSqlDay(day)},${toSqlText(source)})`);
      }
    if (unknown.length > 0) await this.#read(unknown, source, timeoutMs, known);
    const whole = new Map<string, DayVisitors>();
    const completed = subjects.map((subject) =>
      subject.visitors.length === 0
        ? subject
        : { ...subject, visitors: this.#complete(subject, source, known, whole) },
    );
    return { subjects: completed, stored: () => this.#remember(whole) };
  }

  #complete(
    { id, visitors }: SubjectClicks,
    source: string,
    known: ReadonlyMap<string, Sketch>,
    whole: Map<string, DayVisitors>,
  ): DayVisitors[] {
    return visitors.flatMap(({ day, sketch }) => {
      const place = placeOf(id, day, source);
      const before = known.get(place);
      const all = before ?? new Sketch();
      const isChanged = all.merge(sketch);
      whole.set(place, { day, sketch: all });
      // Those who were there before change nothing, and most are: no row has to be written.
      return before === undefined || isChanged ? [{ day, sketch: all }] : [];
    });
  }

  async #read(
    places: readonly string[],
    source: string,
    timeoutMs: number,
    known: Map<string, Sketch>,
  ): Promise<void> {
    const { db, kind } = this.#options;
    const rows = await db.queryArrays<[string, string, Buffer]>(
      `SELECT ${kind.name}, DATE_FORMAT(day, '%Y-%m-%d'), sketch FROM ${kind.prefix}_visitors
       WHERE (${kind.id}, day, source) IN (${places.join(',')})`,
      [],
      { timeoutMs },
    );
    for (const [name, date, sketch] of rows)
      known.set(placeOf(kind.toId(name), toDay(date), source), readSketch(sketch));
  }

  /** It is no longer remembered: it is about to change. */
  #take(place: string): Sketch | undefined {
    const sketch = this.#remembered.get(place);
    if (sketch === undefined) return undefined;
    this.#remembered.delete(place);
    this.#bytes -= bytesOf(place, sketch);
    return sketch;
  }

  #remember(whole: ReadonlyMap<string, DayVisitors>): void {
    const today = dayOf(Math.floor(this.#options.wallClock() / HOUR_MS));
    for (const [place, { day, sketch }] of whole) {
      if (day < today - REMEMBERED_DAYS) continue;
      this.#remembered.set(place, sketch);
      this.#bytes += bytesOf(place, sketch);
    }
  }

  #forget(): void {
    const nowMs = this.#options.now();
    if (nowMs - this.#beganMs < REMEMBERED_MS && this.#bytes < MAX_BYTES) return;
    this.#remembered.clear();
    this.#bytes = 0;
    this.#beganMs = nowMs;
  }
}

function placeOf(id: string, day: number, source: string): string {
  return `${id} ${day} ${source}`;
}

function bytesOf(place: string, sketch: Sketch): number {
  return 200 + place.length + 4 * sketch.byteLength;
}

/**
 * A stored sketch. One that cannot be read is empty: it must not keep clicks from being stored, or days from
 * being closed.
 */
export function readSketch(bytes: Buffer): Sketch {
  try {
    return Sketch.fromBytes(bytes);
  } catch {
    return new Sketch();
  }
}
