import { setTimeout as delay } from 'node:timers/promises';
import { readHistory } from '../history/history.ts';
import type { Balancer } from '../load/balancer.ts';
import { targetOf } from '../load/links.ts';
import { judgeRedirect } from '../load/load.ts';
import { LostLinks } from './lost-links.ts';
import { MAX_SENTENCES } from './tally.ts';

export interface LinkVerdict {
  /** Acknowledged links that some mapper does not redirect. */
  readonly lost: number;
  /** Links that some mapper does not redirect, and that the drill itself lost. */
  readonly writtenOff: number;
  /** Links that some mapper redirects to another target. */
  readonly wrongTarget: number;
  readonly checked: number;
  readonly violations: readonly string[];
}

const MAX_IN_FLIGHT = 32;
const TIMEOUT_MS = 5_000;
/** A mapper with a backlog answers 503 and is asked again for this long. Only a 404 or 410 is final. */
const RETRY_FOR_MS = 20_000;
const PAUSE_MS = 250;

/**
 * Follows every acknowledged link of the history through every mapper. The cluster must be healed.
 * @param lostLinks has read the whole history
 */
export async function checkLinks(
  historyPath: string,
  runId: string,
  balancer: Balancer,
  lostLinks = new LostLinks([]),
): Promise<LinkVerdict> {
  const lost = new Set<string>();
  const writtenOff = new Set<string>();
  let wrongTarget = 0;
  let checked = 0;
  const violations: string[] = [];
  const report = (sentence: string): void => {
    if (violations.length < MAX_SENTENCES) violations.push(sentence);
  };
  const follow = async (key: string, n: number, mapper: string): Promise<void> => {
    checked += 1;
    const target = targetOf(runId, n);
    const deadline = performance.now() + RETRY_FOR_MS;
    for (;;) {
      const result = await balancer.sendTo(mapper, { path: `/${key}`, timeoutMs: TIMEOUT_MS });
      const outcome = judgeRedirect(result, target);
      if (outcome === 'right') return;
      if (outcome === 'wrong') {
        wrongTarget += 1;
        const location = result.kind === 'answer' ? result.headers.location : '';
        return report(`after healing, ${mapper} redirects ${key} (link ${n}) to ${location}`);
      }
      if (outcome === 'lost' && lostLinks.mayBeLost(key)) return void writtenOff.add(key);
      if (outcome === 'lost' || performance.now() > deadline) {
        lost.add(key);
        const answer = result.kind === 'answer' ? result.status : result.kind;
        return report(`after healing, ${mapper} does not redirect ${key} (link ${n}): ${answer}`);
      }
      await delay(PAUSE_MS);
    }
  };
  const inFlight = new Set<Promise<void>>();
  for await (const entry of readHistory(historyPath)) {
    if (entry.op !== 'shorten' || entry.outcome !== 'acked' || entry.key === undefined) continue;
    for (const { id } of balancer.backends) {
      const work = follow(entry.key, entry.n, id);
      inFlight.add(work);
      void work.finally(() => inFlight.delete(work));
      if (inFlight.size >= MAX_IN_FLIGHT) await Promise.race(inFlight);
    }
  }
  await Promise.all(inFlight);
  return { lost: lost.size, writtenOff: writtenOff.size, wrongTarget, checked, violations };
}
