import { monotonicMs } from '../clock.ts';
import type { Seen, TimelineEvent } from './seen.ts';
import type { OpenSource, Source } from './source.ts';
import { lockEvents, storeEvent, type Timeline } from './timeline.ts';

export interface FeedOptions {
  readonly sources: readonly Source[];
  readonly timeline: Timeline;
  /** The sources go on for this long without a viewer: a reload must not open all again. Default: 5 s. */
  readonly lingerMs?: number | undefined;
}

/** Somebody looks. The sources run until the last one is disposed of. */
export interface Looking extends Disposable {
  /** Resolves when every source has told something. */
  readonly first: Promise<void>;
}

/** From the first viewer to the last one. */
interface Run {
  isOver: boolean;
  opening: Promise<readonly OpenSource[]>;
}

/** News that come together are told together. */
const NEWS_MS = 200;
/** So are figures, which change all the time. Each telling draws the page and sends it to all. */
const FIGURES_MS = 1_000;
const LINGER_MS = 5_000;

/**
 * What a dashboard shows, read while somebody looks. Nothing is read, and no connection is open, while nobody
 * does.
 */
export class Feed implements AsyncDisposable {
  readonly #options: FeedOptions;
  readonly #viewers = new Set<() => void>();
  #seen: Seen = {};
  /** What ZooKeeper last said its id is; undefined: it has said nothing yet. */
  #ensemble: string | null | undefined;
  #run: Run | undefined;
  #first: Promise<void> = Promise.resolve();
  #isClosed = false;
  #closing: Promise<void> = Promise.resolve();
  #telling: NodeJS.Timeout | undefined;
  #tellingAtMs = Infinity;
  #lingering: NodeJS.Timeout | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get seen(): Seen {
    return this.#seen;
  }

  get timeline(): Timeline {
    return this.#options.timeline;
  }

  /** @param onChange called soon after something has changed */
  look(onChange: () => void = () => undefined): Looking {
    clearTimeout(this.#lingering);
    // An object of its own: two viewers may hand in the same function.
    const viewer = (): void => onChange();
    this.#viewers.add(viewer);
    if (this.#run === undefined && !this.#isClosed) this.#start();
    return {
      first: this.#first,
      [Symbol.dispose]: () => {
        if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;
        this.#lingering = setTimeout(() => this.#stop(), this.#options.lingerMs ?? LINGER_MS).unref();
      },
    };
  }

  /** Closes the sources. Nobody can look any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#lingering);
    this.#viewers.clear();
    this.#stop();
    await this.#closing;
  }

  #start(): void {
    // What was read minutes ago is not shown as if it were of now.
    this.#seen = {};
    this.#ensemble = undefined;
    const run: Run = { isOver: false, opening: Promise.resolve([]) };
    const tell = (part: Seen): void => {
      if (!run.isOver) this.#tell(part);
    };
    const before = this.#closing;
    run.opening = (async () => {
      await before;
      return run.isOver ? [] : this.#options.sources.map((source) => source(tell, () => this.#seen));
    })();
    this.#run = run;
    this.#first = (async () => {
      const open = await run.opening;
      await Promise.all(open.map(async ({ first }) => first));
    })();
  }

  #stop(): void {
    const run = this.#run;
    if (run === undefined) return;
    run.isOver = true;
    this.#run = undefined;
    clearTimeout(this.#telling);
    this.#tellingAtMs = Infinity;
    this.#closing = (async () => {
      const open = await run.opening;
      await Promise.allSettled(open.map(async (source) => source[Symbol.asyncDispose]()));
    })();
  }

  #tell(part: Seen): void {
    const before = this.#seen;
    this.#seen = { ...before, ...part };
    const nowMs = Date.now();
    const events = [...eventsOf(before, part, nowMs), ...ensembleEvents(this.#ensemble, part.cluster, nowMs)];
    this.#options.timeline.add(events);
    if (part.cluster?.problem === null) this.#ensemble = part.cluster.ensemble;
    const isNews =
      events.length > 0 || Object.keys(part).some((name) => name === 'cluster' || !(name in before));
    this.#tellIn(isNews ? NEWS_MS : FIGURES_MS);
  }

  #tellIn(ms: number): void {
    const atMs = monotonicMs() + ms;
    if (atMs >= this.#tellingAtMs) return;
    this.#tellingAtMs = atMs;
    clearTimeout(this.#telling);
    this.#telling = setTimeout(() => {
      this.#tellingAtMs = Infinity;
      for (const viewer of this.#viewers) viewer();
    }, ms).unref();
  }
}

/** It may be wiped while it does not answer, so `before` is what it said last, however long ago. Pure. */
function ensembleEvents(
  before: string | null | undefined,
  cluster: Seen['cluster'],
  nowMs: number,
): TimelineEvent[] {
  if (cluster === undefined || cluster.problem !== null) return [];
  const { ensemble } = cluster;
  if (before === undefined || before === ensemble) return [];
  return [
    ensemble === null
      ? storeEvent('wiped', 'ZooKeeper', 'has lost its ensemble id: it was wiped', nowMs)
      : storeEvent('adopted', 'ZooKeeper', 'has a new ensemble id', nowMs),
  ];
}

/** What has happened between the last look and this one. Pure. */
function eventsOf(before: Seen, { cluster, pools }: Seen, nowMs: number): TimelineEvent[] {
  const events: TimelineEvent[] = [];
  if (cluster !== undefined && cluster.problem === null)
    events.push(...lockEvents(before.cluster?.locks, cluster.locks, nowMs));
  const old = before.cluster;
  if ((cluster?.problem ?? null) !== (old?.problem ?? null) && cluster !== undefined && old !== undefined)
    events.push(
      cluster.problem === null
        ? storeEvent('back', 'ZooKeeper', 'answers again', nowMs)
        : storeEvent('away', 'ZooKeeper', 'does not answer', nowMs),
    );
  for (const { name, level } of pools ?? []) {
    const last = before.pools?.find((pool) => pool.name === name);
    if (last === undefined || (last.level === null) === (level === null)) continue;
    events.push(
      level === null
        ? storeEvent('away', name, 'does not answer', nowMs)
        : storeEvent('back', name, 'answers again', nowMs),
    );
  }
  return events;
}
