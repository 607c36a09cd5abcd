import { BlockedClients } from './blocked-clients.ts';
import { MemoryCounts } from './memory-counts.ts';
import type { Problem } from '../http/problem.ts';
import {
  judgeCount,
  quotaFields,
  tooManyRequests,
  type Count,
  type Limit,
  type LimitName,
  type Quota,
  type SharedCounts,
} from './rate-policy.ts';

export interface FailureLimitOptions {
  readonly limit: Limit;
  /** Undefined: this process counts for itself. */
  readonly shared: SharedCounts | undefined;
  /** Counts refused requests. */
  readonly onRefused: (name: LimitName) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * A limit of what fails, such as requests for links that do not exist. A client that reaches it is blocked
 * until its window is over. Nothing waits for the shared counts, and all goes on without them.
 */
export class FailureLimit {
  readonly #options: FailureLimitOptions;
  readonly #counts: MemoryCounts;
  readonly #blocked: BlockedClients;

  constructor(options: FailureLimitOptions) {
    this.#options = options;
    this.#counts = new MemoryCounts(options.now, { windowMs: options.limit.windowMs });
    this.#blocked = new BlockedClients(options.now);
  }

  /** A request of a client has failed. */
  readonly failed = (client: string): void => {
    const { limit, shared } = this.#options;
    if (limit.most === 0) return;
    const blockAfterLast = ({ count, remainingMs }: Count): void => {
      if (count >= limit.most) this.#blocked.block(client, remainingMs);
    };
    blockAfterLast(this.#counts.hit(client));
    shared?.hit(limit, client).then(blockAfterLast, () => undefined);
  };

  /** What is left to a blocked client: nothing. Undefined: it is not blocked. */
  quotaOf(client: string): Quota | undefined {
    const remainingMs = this.#blocked.remainingMs(client);
    if (remainingMs === 0) return undefined;
    const { limit } = this.#options;
    return judgeCount(limit, { count: limit.most + 1, remainingMs });
  }

  /** 429 for a client for which {@link leftOf} is 0. */
  refusalOf(client: string): Problem {
    const { limit, onRefused } = this.#options;
    onRefused(limit.name);
    const quota = this.quotaOf(client) ?? judgeCount(limit, { count: limit.most + 1, remainingMs: 0 });
    return tooManyRequests(quota, quotaFields(quota));
  }

  /** How many further requests may fail before the client is blocked. */
  leftOf(client: string): number {
    const { most } = this.#options.limit;
    if (most === 0) return Number.POSITIVE_INFINITY;
    return this.#blocked.remainingMs(client) > 0 ? 0 : Math.max(0, most - this.#counts.peek(client));
  }
}
