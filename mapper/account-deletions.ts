import type { Log } from '../runtime/log.ts';
import { pollEvery } from '../runtime/polling.ts';
import type { UsersStore } from './auth/users-store.ts';
import type { OwnLinks } from './links/own-links.ts';

export interface AccountDeletionsOptions {
  readonly store: Pick<UsersStore, 'isUp' | 'ask'>;
  readonly links: Pick<OwnLinks, 'leaveOwner'>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

const EVERY_MS = 30_000;
const ACCOUNTS_AT_ONCE = 20;
/**
 * A request that was let in before the deletion may still make a link. So the account's row goes only when
 * no link was left this long after the deletion was first seen.
 */
const SETTLE_MS = 15_000;

/**
 * Ends accounts whose deletion was asked for: their links lose their owner, or are deleted, and the row goes
 * last. A crash leaves the row, so the work is taken up again. Two mappers that do it at the same time do no
 * harm.
 */
export class AccountDeletions {
  readonly #options: AccountDeletionsOptions;
  /** When each deletion was first seen. */
  readonly #seenMs = new Map<bigint, number>();

  constructor(options: AccountDeletionsOptions) {
    this.#options = options;
  }

  /** Does one piece of the work, some seconds long at most. Never rejects. */
  async poll(): Promise<void> {
    const { store, log } = this.#options;
    if (!store.isUp) return;
    try {
      const due = await store.ask(async (db) => db.users.listDeletions(ACCOUNTS_AT_ONCE));
      for (const id of this.#seenMs.keys())
        if (!due.some((account) => account.id === id)) this.#seenMs.delete(id);
      for (const { id, deleteLinks } of due) await this.#end(id, deleteLinks);
    } catch (error) {
      log.debug({ error }, 'a deletion of an account waits; next attempt in half a minute');
    }
  }

  async #end(id: bigint, isDeleting: boolean): Promise<void> {
    const { store, links, now, log } = this.#options;
    const seenMs = this.#seenMs.get(id) ?? now();
    this.#seenMs.set(id, seenMs);
    const isSettled = now() - seenMs >= SETTLE_MS;
    const { links: changed, isDone } = await links.leaveOwner(id, isDeleting);
    if (changed > 0)
      log.info({ links: changed, isDeleting }, 'links of an account that has ended were changed');
    if (!isSettled || !isDone || changed > 0) return;
    await store.ask(async (db) => db.users.remove(id));
    this.#seenMs.delete(id);
  }
}

/** Ends accounts in the background, until it is disposed of. */
export function openAccountDeletions(options: AccountDeletionsOptions): AsyncDisposable {
  const deletions = new AccountDeletions(options);
  const stopping = new AbortController();
  const polling = pollEvery(EVERY_MS, stopping.signal, async () => deletions.poll());
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await polling;
    },
  };
}
