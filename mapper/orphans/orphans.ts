import type { Orphan, OrphansDb, OrphanState } from '../../db/clicks/orphans-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { flat } from '../../runtime/flat-text.ts';
import type { OrphanLedger } from './orphan-ledger.ts';

/** One urls server, as orphans need it. */
export interface OrphansServer {
  readonly db: OrphansDb;
  readonly ledger: OrphanLedger;
  readonly isUp: () => boolean;
}

/** Which days, states and how many. */
export interface OrphanQuestion {
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  readonly states: readonly OrphanState[];
  readonly limit: number;
}

/** Text that the tables take. Any other was never a key. */
const KEY = /^[!-~]{1,255}$/;

/** Counts the keys that people ask for and cannot follow, and says which are asked for most. */
export class Orphans {
  readonly #servers: readonly OrphansServer[];
  readonly #serverFor: (key: string) => OrphansServer | undefined;

  /** @param serverFor where a key is counted; undefined: it is not */
  constructor(servers: readonly OrphansServer[], serverFor: (key: string) => OrphansServer | undefined) {
    this.#servers = servers;
    this.#serverFor = serverFor;
  }

  /** Somebody has asked for a key in vain. Never throws. */
  asked(key: string, state: OrphanState): void {
    // The text may be a part of a whole request.
    if (KEY.test(key)) this.#serverFor(key)?.ledger.asked(flat(key), state);
  }

  /**
   * The most asked first. Each urls server has those of its own keys.
   * @throws StoreUnavailableError that names a server which is away
   */
  async top({ day, states, limit }: OrphanQuestion): Promise<Orphan[]> {
    const answers = await Promise.all(
      this.#servers.map(async ({ db, isUp }) => {
        if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
        return db.top(day, states, limit);
      }),
    );
    return mergeTops(answers, limit);
  }

  async flush(): Promise<void> {
    await Promise.all(this.#servers.map(async ({ ledger }) => ledger.flush()));
  }
}

/** Merges what several servers say. A slot that has moved leaves rows of its keys on the server before. */
export function mergeTops(answers: readonly (readonly Orphan[])[], limit: number): Orphan[] {
  const merged = new Map<string, Orphan>();
  for (const orphan of answers.flat()) {
    const name = `${orphan.state} ${orphan.key}`;
    merged.set(name, { ...orphan, asked: orphan.asked + (merged.get(name)?.asked ?? 0) });
  }
  return [...merged.values()].sort((a, b) => b.asked - a.asked || (a.key < b.key ? -1 : 1)).slice(0, limit);
}
