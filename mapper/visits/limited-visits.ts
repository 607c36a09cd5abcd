import { StoreUnavailableError, OutcomeUnknownError, QueueFullError } from '../../db/store-errors.ts';
import type { VisitsDb } from '../../db/urls/visits.ts';
import { Batcher } from '../urls/batcher.ts';
import { nextStep, share, type VisitResult } from './policy.ts';

/** A urls server, as far as visits need it. */
export interface VisitsServer {
  readonly visits: Pick<VisitsDb, 'name' | 'take' | 'read'>;
  /** Whether it takes writes now. */
  readonly isWritable: boolean;
}

/** `unknown`: perhaps a visit was taken, and nobody was redirected. `gone`: the client did not wait. */
export type VisitOutcome = VisitResult | 'unknown' | 'unavailable' | 'gone';

export interface LimitedVisitsOptions {
  /** The server of a key. */
  readonly serverFor: (key: string) => VisitsServer;
  /** Most visitors that may wait. Further ones are refused. */
  readonly queueLimit: number;
  /** Called with what became of visitors. */
  readonly onOutcome: (outcome: VisitOutcome, visitors: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface VisitRequest {
  readonly key: string;
  /** See `LinkTarget.state`: of the link by which the visitor was judged. */
  readonly state: string;
  /** Whether the client has gone. No visit is taken for it then. */
  readonly isGone: () => boolean;
  /** When it must be answered. Monotonic. */
  readonly untilMs: number;
}

interface Visitor {
  readonly isGone: () => boolean;
  /** When his statement must have left. Monotonic. */
  readonly leavesByMs: number;
  readonly resolve: (result: VisitResult) => void;
  readonly reject: (error: Error) => void;
}

/** What a statement asks for. See `VisitsDb.take`. */
interface Attempt {
  count: number;
  mayBeLast: boolean;
}

/** Most visitors of one link that share a statement. */
const MAX_SHARED = 1_024;
/** A visitor whose statement has not left by then is refused. */
const WAIT_MS = 2_000;
/** So long before its deadline: a statement and the reading after it may take 1.5 s each. */
const STATEMENT_MS = 3_000;
/** How long a statement is tried against other mappers that take visits of the same link. */
const GIVE_UP_MS = 2_000;

/**
 * Gives the visits of links that may be followed a limited number of times. Each visit is taken from the
 * store before its visitor is redirected, so all mappers together give exactly as many as there are.
 *
 * Visitors of one link who wait at this mapper share a statement; the next leaves when the last one returns.
 * If its outcome is not known, none of them is redirected: a visit may be lost, never given twice. It is not
 * repeated, because the first one may still arrive.
 */
export class LimitedVisits {
  readonly #options: LimitedVisitsOptions;
  /** The visitors of each link in each state, while there are any. */
  readonly #lines = new Map<string, Batcher<Visitor>>();
  #waiting = 0;

  constructor(options: LimitedVisitsOptions) {
    this.#options = options;
  }

  /** Links for which visitors wait. */
  get lines(): number {
    return this.#lines.size;
  }

  /**
   * Takes a visit for one visitor.
   * @throws StoreUnavailableError none was taken; OutcomeUnknownError one may have been taken. Any other is a
   *   fault of ours. In all cases he must not be redirected.
   */
  async take({ key, state, isGone, untilMs }: VisitRequest): Promise<VisitResult> {
    const { serverFor, queueLimit, now } = this.#options;
    if (this.#waiting >= queueLimit) {
      this.#options.onOutcome('unavailable', 1);
      throw new QueueFullError(serverFor(key).visits.name, 'too many visitors wait for it');
    }
    this.#waiting += 1;
    const leavesByMs = Math.min(now() + WAIT_MS, untilMs - STATEMENT_MS);
    try {
      return await new Promise((resolve, reject) => {
        this.#lineOf(key, state).tryAdd({ isGone, leavesByMs, resolve, reject });
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  #lineOf(key: string, state: string): Batcher<Visitor> {
    const name = `${state} ${key}`;
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const line: Batcher<Visitor> = new Batcher({
      maxBatch: MAX_SHARED,
      maxInFlight: 1,
      // All lines together are bounded.
      maxQueued: Number.POSITIVE_INFINITY,
      run: (visitors, returned) => {
        void this.#serve(key, state, visitors).finally(() => {
          returned();
          if (line.isIdle) this.#lines.delete(name);
        });
      },
      isEager: true,
    });
    this.#lines.set(name, line);
    return line;
  }

  /** Answers all of these visitors. Never rejects. */
  async #serve(key: string, state: string, visitors: readonly Visitor[]): Promise<void> {
    const waiting = this.#dismiss(key, visitors);
    if (waiting.length === 0) return;
    const attempt: Attempt = { count: waiting.length, mayBeLast: false };
    try {
      const results = await this.#takeFor(key, state, waiting.length, attempt);
      for (const [index, { resolve }] of waiting.entries()) {
        const result = results[index] as VisitResult;
        this.#options.onOutcome(result, 1);
        resolve(result);
      }
    } catch (error) {
      const unknown = error instanceof OutcomeUnknownError ? attempt.count : 0;
      if (unknown > 0) this.#options.onOutcome('unknown', unknown);
      if (waiting.length > unknown) this.#options.onOutcome('unavailable', waiting.length - unknown);
      for (const { reject } of waiting) reject(error as Error);
    }
  }

  /** Refuses those for whom no visit must be taken. @returns the others */
  #dismiss(key: string, visitors: readonly Visitor[]): Visitor[] {
    const { serverFor, now, onOutcome } = this.#options;
    const { name } = serverFor(key).visits;
    const nowMs = now();
    return visitors.filter(({ isGone, leavesByMs, reject }) => {
      if (isGone()) {
        onOutcome('gone', 1);
        reject(new StoreUnavailableError(name, 'the client has gone'));
        return false;
      }
      if (nowMs <= leavesByMs) return true;
      onOutcome('unavailable', 1);
      reject(new StoreUnavailableError(name, 'it took too long until the visit was asked for'));
      return false;
    });
  }

  /**
   * The results for so many visitors, in their order.
   * @param attempt what the last statement asks for
   */
  async #takeFor(key: string, state: string, waiting: number, attempt: Attempt): Promise<VisitResult[]> {
    const { serverFor, now } = this.#options;
    const server = serverFor(key);
    const { visits } = server;
    const giveUpMs = now() + GIVE_UP_MS;
    for (;;) {
      if (!server.isWritable) throw new StoreUnavailableError(visits.name, 'it is down');
      if (await visits.take(key, state, attempt.count, attempt.mayBeLast))
        return share(attempt.count, waiting);
      const next = nextStep(await visits.read(key), { state, waiting });
      if (next.step === 'end') return Array.from({ length: waiting }, () => next.result);
      if (now() > giveUpMs)
        throw new StoreUnavailableError(visits.name, `too many take visits of ${key} at the same time`);
      attempt.count = next.count;
      attempt.mayBeLast = next.mayBeLast;
    }
  }
}
