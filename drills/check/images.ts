import type {
  HistoryEntry,
  ImageDeleteEntry,
  ImageEntry,
  ImagePostEntry,
  ImageViewEntry,
} from '../history/history.ts';
import type { FaultWindow } from '../history/measurements.ts';
import type { ImageCounts } from '../report.ts';
import { MAX_SENTENCES } from './tally.ts';

export interface ImagesVerdict extends ImageCounts {
  /** At most 20 sentences. */
  readonly violations: readonly string[];
}

/** Times in a history are rounded to microseconds, so that two of them add up with this error at most. */
const ROUNDING_MS = 0.002;

/** A refusal later than this after a fault has another reason, such as too many uploads at a time. */
const HEALING_MS = 30_000;

interface ImageHistory {
  readonly posts: ImagePostEntry[];
  readonly views: ImageViewEntry[];
  readonly deletions: ImageDeleteEntry[];
}

/**
 * Judges what clients saw of images. An image that was acknowledged shows exactly the bytes that were posted,
 * or is refused (503) or breaks off; it never shows others, and is never said not to exist. After a deletion
 * was acknowledged, and the time over that its answer gave to mappers that had not heard, it is gone (410); a
 * deletion without an answer may have happened or not. At the end every mapper shows every image.
 *
 * Takes entries in any order.
 */
export class ImagesKeeper {
  readonly #windows: readonly FaultWindow[];
  readonly #images = new Map<string, ImageHistory>();
  /** Keys that were acknowledged for links that are no images. */
  readonly #others = new Set<string>();
  readonly #violations: string[] = [];
  readonly #counts = {
    posts: 0,
    acked: 0,
    failed: 0,
    refused: 0,
    unknown: 0,
    deleted: 0,
    views: 0,
    viewsRefused: 0,
    viewsBrokenOff: 0,
    wrongBytes: 0,
    lost: 0,
    seenAfterDeletion: 0,
    givenAgain: 0,
    refusedInFaults: 0,
    slowestRefusalMs: 0,
    backMs: 0,
  };
  #withoutRetryAfter = 0;

  /** @param windows the times of the faults */
  constructor(windows: readonly FaultWindow[] = []) {
    this.#windows = windows;
  }

  add(entry: HistoryEntry): void {
    if (entry.op === 'image-post') this.#addPost(entry);
    else if (entry.op === 'image-view') this.#addView(entry);
    else if (entry.op === 'image-delete') this.#imageOf(entry.key).deletions.push(entry);
    else if (entry.op === 'shorten' && entry.outcome === 'acked' && entry.key !== undefined)
      this.#others.add(entry.key);
  }

  /** The keys of all images that were acknowledged. */
  get keys(): ReadonlySet<string> {
    return new Set(this.#images.keys());
  }

  /** Call it once, after the last entry. */
  result(): ImagesVerdict {
    for (const [key, image] of this.#images) this.#judge(key, image);
    if (this.#withoutRetryAfter > 0)
      this.#say(`${this.#withoutRetryAfter} pictures were refused without Retry-After`);
    return { ...this.#counts, violations: this.#violations };
  }

  #addPost(entry: ImagePostEntry): void {
    this.#counts.posts += 1;
    this.#counts[entry.outcome] += 1;
    if (entry.outcome === 'refused') {
      this.#addRefusal(entry);
      if (entry.retryAfter !== true) this.#withoutRetryAfter += 1;
    }
    if (entry.outcome === 'acked' && entry.key !== undefined) this.#imageOf(entry.key).posts.push(entry);
  }

  #addView(entry: ImageViewEntry): void {
    this.#counts.views += 1;
    if (entry.saw === 'nothing') this.#counts.viewsBrokenOff += 1;
    if (entry.saw === 'refused') {
      this.#counts.viewsRefused += 1;
      this.#addRefusal(entry);
    }
    this.#imageOf(entry.key).views.push(entry);
  }

  #addRefusal({ at, ms }: ImageEntry): void {
    const { slowestRefusalMs, backMs } = this.#counts;
    this.#counts.slowestRefusalMs = Math.max(slowestRefusalMs, ms);
    const during = this.#windows.some(({ fromMs, toMs }) => at + ms >= fromMs && at <= toMs);
    if (during) this.#counts.refusedInFaults += 1;
    const healedMs = Math.max(0, ...this.#windows.map(({ toMs }) => toMs).filter((toMs) => toMs < at));
    if (!during && healedMs > 0 && at - healedMs < HEALING_MS)
      this.#counts.backMs = Math.max(backMs, at - healedMs);
  }

  #imageOf(key: string): ImageHistory {
    let image = this.#images.get(key);
    if (image === undefined) this.#images.set(key, (image = { posts: [], views: [], deletions: [] }));
    return image;
  }

  #judge(key: string, { posts, views, deletions }: ImageHistory): void {
    const [post, ...others] = posts;
    if (others.length > 0 || this.#others.has(key)) {
      this.#counts.givenAgain += 1;
      this.#say(`${key} was given to a second link`);
    }
    const possible = deletions.filter(({ outcome }) => outcome !== 'refused');
    const acked = possible.filter(({ outcome }) => outcome === 'acked');
    if (acked.length > 0) this.#counts.deleted += 1;
    const goneMs = Math.min(...acked.map(({ at, ms, lagMs = 0 }) => at + ms + lagMs + ROUNDING_MS));
    const mayBeGoneMs = Math.min(...possible.map(({ at }) => at));
    for (const view of views) {
      const fault = faultOf(view, { n: post?.n, goneMs, mayBeGoneMs });
      if (fault !== undefined) this.#breach(key, view, fault);
    }
  }

  #breach(key: string, { saw, at, via }: ImageViewEntry, fault: Fault): void {
    this.#counts[fault] += 1;
    const what = typeof saw === 'number' ? `picture ${saw}` : saw;
    this.#say(`${key} ${SENTENCES[fault]}: ${what}, at ${Math.round(at)} ms, through ${via}`);
  }

  #say(sentence: string): void {
    if (this.#violations.length < MAX_SENTENCES) this.#violations.push(sentence);
  }
}

type Fault = 'wrongBytes' | 'lost' | 'seenAfterDeletion';

const SENTENCES: Readonly<Record<Fault, string>> = {
  wrongBytes: 'showed other bytes than those that were posted',
  lost: 'was acknowledged and not shown',
  seenAfterDeletion: 'was shown after its deletion was acknowledged',
};

interface Known {
  /** The number of the picture that was posted. */
  readonly n: number | undefined;
  /** When it is certainly gone, and when it may be; Infinity: never. */
  readonly goneMs: number;
  readonly mayBeGoneMs: number;
}

function faultOf({ saw, at, ms, isLast }: ImageViewEntry, known: Known): Fault | undefined {
  if (typeof saw === 'number' || saw === 'other bytes') {
    if (saw !== known.n) return 'wrongBytes';
    return at >= known.goneMs ? 'seenAfterDeletion' : undefined;
  }
  if (saw === 'refused' || saw === 'nothing') return isLast === true ? 'lost' : undefined;
  if (saw === 'deleted') return at + ms + ROUNDING_MS >= known.mayBeGoneMs ? undefined : 'lost';
  return 'lost';
}
