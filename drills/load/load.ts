import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { History, RedirectOutcome, ShortenOutcome } from '../history/history.ts';
import { Balancer, type Backend, type BalancedResult } from './balancer.ts';
import { LinkSample, targetOf, type AckedLink } from './links.ts';

export interface LoadOptions {
  /** Part of every target, so that two drills never share one. */
  readonly runId: string;
  /** Shortens a second; redirects are five times as many. */
  readonly rate: number;
  /** Returns the current addresses of the mappers. */
  readonly mappers: () => readonly Backend[];
  readonly history: History;
  readonly random: () => number;
  /** How long a client waits for an answer. Default: 5 s. */
  readonly timeoutMs?: number;
}

const REDIRECTS_PER_SHORTEN = 5;
const TICK_MS = 5;
const TIMEOUT_MS = 5_000;
const SAMPLE_SIZE = 5_000;
/** Above this the client itself would be the bottleneck. Shortens that are not sent count as failed. */
const MAX_IN_FLIGHT = 5_000;

const Shortened = z.object({ unique_id: z.string(), long_url: z.string() });

/**
 * A constant open-loop load: requests are sent on schedule, whether or not earlier ones were answered. A
 * stall therefore meets as many requests as in production.
 */
export class Load implements AsyncDisposable {
  readonly balancer: Balancer;
  readonly #options: LoadOptions;
  readonly #links: LinkSample;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #sent = 0;
  #acked = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.balancer = new Balancer(options.mappers);
    this.#links = new LinkSample(SAMPLE_SIZE, options.random);
    this.#running = this.#run();
  }

  /** Part of every target. */
  get runId(): string {
    return this.#options.runId;
  }

  /** Shortens acknowledged so far. */
  get acked(): number {
    return this.#acked;
  }

  /** Requests that have no answer yet. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Stops sending. Resolves when every request that was sent has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all(this.#inFlight);
  }

  /** Stops the balancer too, which checks the mappers even while nothing is sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.balancer.stop();
  }

  async #run(): Promise<void> {
    const began = performance.now();
    let redirects = 0;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const due = ((performance.now() - began) / 1000) * this.#options.rate;
      while (this.#sent < due) this.#start(this.#shorten(this.#sent++));
      for (; redirects < due * REDIRECTS_PER_SHORTEN; redirects++) {
        const link = this.#links.pick();
        if (link !== undefined) this.#start(this.#redirect(link));
      }
      await pauseQuietly(TICK_MS, signal);
    }
  }

  #start(work: Promise<void>): void {
    this.#inFlight.add(work);
    void work.finally(() => this.#inFlight.delete(work));
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS;
  }

  async #shorten(n: number): Promise<void> {
    const { history, runId } = this.#options;
    const at = history.nowMs;
    if (this.#inFlight.size >= MAX_IN_FLIGHT) {
      history.append({
        op: 'shorten',
        at,
        ms: 0,
        n,
        outcome: 'failed',
        reason: 'the client has too many requests in flight',
      });
      return;
    }
    const target = targetOf(runId, n);
    const json = JSON.stringify({ long_url: target });
    const result = await this.balancer.send({ path: '/urls', json, timeoutMs: this.#timeoutMs });
    const { outcome, key } = judgeShorten(result, target);
    history.append({
      op: 'shorten',
      at,
      ms: history.nowMs - at,
      n,
      outcome,
      ...(key !== undefined && { key }),
      ...traceOf(result),
      ...(outcome === 'refused' && { retryAfter: hasRetryAfter(result) }),
    });
    if (key === undefined) return;
    this.#acked += 1;
    this.#links.add({ n, key });
  }

  async #redirect({ n, key }: AckedLink): Promise<void> {
    const { history, runId } = this.#options;
    if (this.#inFlight.size >= MAX_IN_FLIGHT) return;
    const at = history.nowMs;
    const result = await this.balancer.send({ path: `/${key}`, timeoutMs: this.#timeoutMs });
    const outcome = judgeRedirect(result, targetOf(runId, n));
    history.append({
      op: 'redirect',
      at,
      ms: history.nowMs - at,
      n,
      key,
      outcome,
      ...traceOf(result),
      ...(outcome === 'wrong' && result.kind === 'answer' && { location: String(result.headers.location) }),
    });
  }
}

/** What a client may conclude from the answer to a shorten. */
export function judgeShorten(
  result: BalancedResult,
  target: string,
): { outcome: ShortenOutcome; key?: string } {
  if (result.kind === 'timeout') return { outcome: 'unknown' };
  if (result.kind !== 'answer') return { outcome: 'failed' };
  if (result.status === 503) return { outcome: 'refused' };
  if (result.status !== 201) return { outcome: 'failed' };
  const body = Shortened.safeParse(parseJson(result.body));
  return body.success && body.data.long_url === target
    ? { outcome: 'acked', key: body.data.unique_id }
    : { outcome: 'failed' };
}

/** What a client may conclude from the answer to a redirect of an acknowledged link. */
export function judgeRedirect(result: BalancedResult, target: string): RedirectOutcome {
  if (result.kind === 'timeout') return 'unknown';
  if (result.kind !== 'answer') return 'failed';
  if (result.status === 302) return result.headers.location === target ? 'right' : 'wrong';
  if (result.status === 404 || result.status === 410) return 'lost';
  return result.status === 503 ? 'refused' : 'failed';
}

function traceOf(result: BalancedResult): { via: string; status?: number; reason?: string } {
  const { via } = result;
  if (result.kind === 'timeout') return { via, reason: 'timeout' };
  return result.kind === 'answer' ? { via, status: result.status } : { via, reason: result.reason };
}

function hasRetryAfter(result: BalancedResult): boolean {
  return result.kind === 'answer' && result.headers['retry-after'] !== undefined;
}
