import type { Log } from '../../runtime/log.ts';
import { SESSION_MS } from './credential.ts';
import type { Identity } from './identities.ts';
import type { UsersStore } from './users-store.ts';

const MINUTE_MS = 60_000;
/** A session in use is moved on once a day: its end needs no more. */
const DAY_MS = 86_400_000;

/**
 * Whether a use at this moment is to be recorded, given the last record. Times in milliseconds since 1970.
 */
export function isDue({ proof }: Pick<Identity, 'proof'>, lastMs: number, nowMs: number): boolean {
  const everyMs = proof.kind === 'key' ? MINUTE_MS : DAY_MS;
  return Math.floor(nowMs / everyMs) > Math.floor(lastMs / everyMs);
}

interface Use {
  readonly identity: Identity;
  readonly atMs: number;
}

/** Uses beyond are not recorded: the next use of the same key is. */
const MAX_WAITING = 1_000;

/**
 * Records when keys and sessions were last used, some seconds later and each at most once in a minute (a
 * session: once a day), so that no request waits for it.
 */
export class LastUses {
  readonly #store: UsersStore;
  readonly #log: Log;
  readonly #waiting = new Map<string, Use>();
  /** The minute of the last record of each credential: identities in memory do not change. */
  readonly #recorded = new Map<string, number>();

  constructor(store: UsersStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  used(identity: Identity, nowMs: number): void {
    const name = nameOf(identity);
    const lastMs = Math.max(identity.usedAtMs, this.#recorded.get(name) ?? 0);
    if (!isDue(identity, lastMs, nowMs)) return;
    if (this.#waiting.size >= MAX_WAITING) return;
    this.#waiting.set(name, { identity, atMs: nowMs });
    if (this.#recorded.size >= 10 * MAX_WAITING) this.#recorded.clear();
    this.#recorded.set(name, nowMs);
  }

  /** Never rejects. What cannot be recorded now is recorded with the next use. */
  async flush(): Promise<void> {
    const uses = [...this.#waiting.values()];
    this.#waiting.clear();
    try {
      await this.#recordKeys(uses);
      for (const { identity, atMs } of uses) {
        const { proof } = identity;
        if (proof.kind !== 'session') continue;
        const [at, endsAt] = [new Date(atMs), new Date(atMs + SESSION_MS)];
        await this.#store.ask(async (db) => db.sessions.extend(proof.hash, at, endsAt));
      }
    } catch (error) {
      this.#recorded.clear();
      this.#log.debug({ error, lost: uses.length }, 'last uses of keys not recorded');
    }
  }

  /** The keys of one minute together: with a statement for each, 1,000 keys were 1,000 commits a minute. */
  async #recordKeys(uses: readonly Use[]): Promise<void> {
    const byMinute = Map.groupBy(uses, ({ atMs }) => atMs - (atMs % MINUTE_MS));
    for (const [minuteMs, ofMinute] of byMinute) {
      const ids = ofMinute.flatMap(({ identity: { proof } }) => (proof.kind === 'key' ? [proof.id] : []));
      await this.#store.ask(async (db) => db.keys.markUsed(ids, new Date(minuteMs)));
    }
  }
}

function nameOf({ proof }: Identity): string {
  return proof.kind === 'key' ? proof.id : proof.hash.toString('latin1');
}
