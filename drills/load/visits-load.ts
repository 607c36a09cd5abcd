import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { pause, pauseQuietly } from '../../runtime/retry.ts';
import type { Balancer, BalancedResult } from './balancer.ts';

/** What became of visits of links with `max_visits`. */
export interface VisitCounts {
  /** Redirects. */
  given: number;
  /** Visits that may have been used up without a redirect: the mapper said so, or the answer was cut off. */
  uncertain: number;
  /** Links whose visits were used up. */
  links: number;
}

export interface VisitsLoadOptions {
  readonly balancer: Balancer;
  /** A link was followed too often, or not often enough. */
  readonly onWrong: (what: string) => void;
  /** Part of every target, so that two drills never share one. */
  readonly runId: string;
}

const MAX_VISITS = 300;
const VISITORS = 16;
const REST_MS = 5;
/** Of a visitor whose mapper is down, or whose server takes no visits now. */
const REFUSED_REST_MS = 50;
const TIMEOUT_MS = 10_000;
const PATIENCE_MS = 30_000;

const Made = z.object({ unique_id: z.string() });

/**
 * Visitors that follow one link with `max_visits` after another, through all mappers, until each is told that
 * it is used up. Every link must have been followed exactly that often; less often only by the visits that
 * may have been lost.
 */
export class VisitsLoad implements AsyncDisposable {
  readonly #options: VisitsLoadOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #counts: VisitCounts = { given: 0, uncertain: 0, links: 0 };
  #turn = 0;
  #giveUpMs = Number.POSITIVE_INFINITY;

  /** Begins immediately. */
  constructor(options: VisitsLoadOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Ends when the visits of the last link are used up, or after half a minute. */
  async stop(): Promise<VisitCounts> {
    this.#stopping.abort();
    this.#giveUpMs = performance.now() + PATIENCE_MS;
    await this.#running;
    return this.#counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const key = await this.#make();
      if (key === undefined) await pauseQuietly(REFUSED_REST_MS, this.#stopping.signal);
      else await this.#useUp(key);
    }
  }

  async #make(): Promise<string | undefined> {
    const { balancer, runId } = this.#options;
    const json = JSON.stringify({ long_url: `https://example.com/${runId}/visits`, max_visits: MAX_VISITS });
    const result = await balancer.send({ path: '/urls', json, timeoutMs: TIMEOUT_MS });
    if (result.kind !== 'answer' || result.status !== 201) return undefined;
    return Made.safeParse(parseJson(result.body)).data?.unique_id;
  }

  async #useUp(key: string): Promise<void> {
    let given = 0;
    let uncertain = 0;
    const visit = async (): Promise<void> => {
      for (;;) {
        const result = resultOf(await this.#follow(key));
        if (result === 'used-up' || performance.now() > this.#giveUpMs) return;
        if (result === 'given') given += 1;
        if (result === 'uncertain') uncertain += 1;
        await pause(result === 'refused' ? REFUSED_REST_MS : REST_MS);
      }
    };
    await Promise.all(Array.from({ length: VISITORS }, visit));
    if (given > MAX_VISITS || given + uncertain < MAX_VISITS)
      this.#options.onWrong(
        `${key} was followed ${given} times and perhaps ${uncertain} times more, of ${MAX_VISITS}`,
      );
    this.#counts.given += given;
    this.#counts.uncertain += uncertain;
    this.#counts.links += 1;
  }

  async #follow(key: string): Promise<BalancedResult> {
    const { balancer } = this.#options;
    this.#turn += 1;
    const { id = '' } = balancer.backends[this.#turn % balancer.backends.length] ?? {};
    return balancer.sendTo(id, { path: `/${key}`, timeoutMs: TIMEOUT_MS });
  }
}

/** `refused`: no visit was used up. */
function resultOf(result: BalancedResult): 'given' | 'used-up' | 'uncertain' | 'refused' {
  if (result.kind === 'refused') return 'refused';
  if (result.kind !== 'answer') return 'uncertain';
  if (result.status === 302) return 'given';
  if (result.body.includes(':link-used-up"')) return 'used-up';
  return result.body.includes(':visit-unknown"') ? 'uncertain' : 'refused';
}
