import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { UnknownRulesError } from '../../db/urls/link-rules.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Series } from '../../runtime/tallies.ts';
import type { ClickedRequest, Clicks } from '../clicks/clicks.ts';
import type { MapperMetrics } from '../metrics.ts';
import type { LinkSource } from './link-finder.ts';
import type { RedirectResult } from './redirect-answer.ts';

type SeriesOf<Result extends string> = Readonly<Record<Result, Series>>;

/** Hears of keys that somebody has asked for in vain. */
export interface Misses {
  /** Must be quick, and must not throw. */
  asked(key: string, why: 'unknown' | 'expired'): void;
}

/** Counts the results of requests for links, on both paths. */
export class RedirectTally {
  readonly #answered: Readonly<Record<LinkSource, SeriesOf<RedirectResult>>>;
  readonly #failed: SeriesOf<'unavailable' | 'error'>;
  readonly #limited: Series;
  readonly #metrics: MapperMetrics;
  readonly #clicks: Clicks | undefined;
  readonly #misses: Misses | undefined;

  constructor(metrics: MapperMetrics, clicks?: Clicks, misses?: Misses) {
    this.#metrics = metrics;
    this.#clicks = clicks;
    this.#misses = misses;
    const of = (result: string, source: string): Series => metrics.redirects.series({ result, source });
    const from = (source: string): SeriesOf<RedirectResult> => ({
      found: of('found', source),
      unknown: of('unknown', source),
      expired: of('expired', source),
      deleted: of('deleted', source),
      disabled: of('disabled', source),
      blocked: of('blocked', source),
      unusable: of('unusable', source),
      previewed: of('previewed', source),
      'too-long': of('too-long', source),
      'not-followed': of('not-followed', source),
      locked: of('locked', source),
      'used-up': of('used-up', source),
      shown: of('shown', source),
    });
    this.#answered = { memory: from('memory'), cache: from('cache'), db: from('db') };
    this.#limited = of('limited', 'memory');
    this.#failed = { unavailable: of('unavailable', 'db'), error: of('error', 'db') };
  }

  /**
   * A link was looked up.
   * @param following the request, if it may follow a link. Undefined: it is HEAD or a prefetch
   */
  answered(
    key: string,
    following: ClickedRequest | undefined,
    result: RedirectResult,
    source: LinkSource,
  ): void {
    this.#answered[source][result].count += 1;
    if (following === undefined) return;
    if (result === 'found') this.#clicks?.count(key, following);
    else if (result === 'unknown' || result === 'expired') this.#misses?.asked(key, result);
  }

  /** The client may follow no link now: nothing was looked up. */
  limited(): void {
    this.#limited.count += 1;
  }

  failed(error: unknown): void {
    const isAway = [StoreUnavailableError, OutcomeUnknownError, UnknownRulesError].some(
      (kind) => error instanceof kind,
    );
    this.#failed[isAway ? 'unavailable' : 'error'].count += 1;
  }

  /** @param startedMs monotonic time at which the request came in */
  took(startedMs: number): void {
    this.#metrics.redirectSeconds.observe((monotonicMs() - startedMs) / 1_000);
  }
}
