import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { pause } from '../../runtime/retry.ts';
import { Problem } from '../http/problem.ts';
import type { TakenKey } from '../keys/taken-key.ts';
import { perhapsMade, shardDown } from '../shorten/shorten-problems.ts';
import type { BulkTools } from './tools.ts';
import type { OwnedRequest, Outcome } from './wish.ts';

/** As for a single link: an item that has waited this long tries no further key. */
const GIVE_UP_MS = 4_000;
/** How often the pools are looked at while they give fewer keys than are needed. */
const LOOK_MS = 50;

/** `again`: the item needs another key. */
type Attempt = Outcome | 'again';

/**
 * Makes links with keys of the pools, all at the same time. Never rejects.
 *
 * In rounds: keys are drawn for all items that have none, and bound. A key that turns out to be taken, or
 * whose server is down, is replaced in the next round.
 * @param patience how long a bulk waits for pools that are empty
 * @returns what became of each request, in their order
 */
export async function bindKeys(
  requests: readonly OwnedRequest[],
  tools: BulkTools,
  patience: Patience,
): Promise<Outcome[]> {
  const { supply, servers, now } = tools;
  const outcomes = new Map<OwnedRequest, Outcome>();
  const giveUpMs = now() + GIVE_UP_MS;
  let left = requests;
  while (left.length > 0) {
    const refusal = !servers.all.some((server) => server.takes('bulk'))
      ? shardDown()
      : now() > giveUpMs
        ? new Problem('no-key')
        : undefined;
    const keys = refusal === undefined ? await supply.drawMany(left.length) : [];
    const problem = refusal ?? (keys.length === 0 && !patience.isLeft ? new Problem('no-keys') : undefined);
    if (problem !== undefined) {
      for (const request of left) outcomes.set(request, { problem });
      break;
    }
    const attempts = await Promise.all(
      left.slice(0, keys.length).map(async (request, index) => {
        const attempt = await bindKey(request, keys[index] as TakenKey, tools);
        if (attempt !== 'again') outcomes.set(request, attempt);
      }),
    );
    left = left.filter((request) => !outcomes.has(request));
    if (left.length > 0 && attempts.length === 0) await patience.wait();
    else if (left.length > 0) await pause(LOOK_MS);
  }
  return requests.map((request) => outcomes.get(request) as Outcome);
}

async function bindKey(request: OwnedRequest, taken: TakenKey, tools: BulkTools): Promise<Attempt> {
  const { supply, servers, rows, appeared } = tools;
  if (servers.avoids(taken.server, 'bulk')) {
    // Never put back: the keys of slots that are down would fill the pools.
    supply.dropped(taken, 'slot_down');
    return 'again';
  }
  const row = { ...rows.create(taken.key, taken.slot, request), ...request.own };
  return new Promise((resolve) => {
    taken.server.writes.bulk.binder.bind({
      row,
      finished: (outcome) => {
        if (outcome === 'taken') {
          supply.duplicate(taken);
          resolve('again');
          return;
        }
        supply.bound(taken);
        appeared(taken.key);
        resolve({ status: 201, row });
      },
      failed: (error) => {
        const isUnbound = error instanceof StoreUnavailableError;
        supply.dropped(taken, isUnbound ? 'slot_down' : 'unresolved');
        if (isUnbound) resolve('again');
        else resolve({ problem: toProblem(error) });
      },
    });
  });
}

/** The owner would find both links in his list if the item got another key after an unknown outcome. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return error instanceof OutcomeUnknownError
    ? perhapsMade(error)
    : new Problem('internal', { cause: error });
}

/** How long a bulk waits in all for pools that have no keys. Each of its items would wait otherwise. */
export class Patience {
  #leftMs: number;

  constructor(totalMs: number) {
    this.#leftMs = totalMs;
  }

  get isLeft(): boolean {
    return this.#leftMs > 0;
  }

  async wait(): Promise<void> {
    this.#leftMs -= LOOK_MS;
    await pause(LOOK_MS);
  }
}
