import type { Deletion } from '../db/accounts/users.ts';
import type { LeavingLink } from '../db/own-links/leave-owner.ts';
import type { Log } from '../runtime/log.ts';
import { endPolls, pollEvery } from '../runtime/polling.ts';
import type { UsersStore } from './auth/users-store.ts';
import type { OwnLinks } from './links/own-links.ts';

export interface AccountDeletionsOptions {
  readonly store: Pick<UsersStore, 'isUp' | 'ask'>;
  readonly links: Pick<OwnLinks, 'leaveOwner'>;
  /** Hears of each link that was deleted. Undefined: there are no images. */
  readonly images?: { linkDeleted(link: LeavingLink): void } | undefined;
  readonly log: Log;
}

const EVERY_MS = 30_000;
/** Of one poll. The next one goes on behind them, so that none waits for others for ever. */
const ACCOUNTS_AT_ONCE = 20;

/**
 * Ends accounts whose deletion was asked for: their links lose their owner, or are deleted, and the row goes
 * last. A crash leaves the row, so the work is taken up again. Two mappers that do it at the same time do no
 * harm.
 *
 * A request that was let in before the deletion may still make a link, and webhooks are told of links that
 * are deleted. So the row of an account goes only when the deletion has settled before no link was left.
 */
export class AccountDeletions {
  readonly #options: AccountDeletionsOptions;
  /** The last account of the poll before. Undefined: the next poll begins with the oldest. */
  #last: Deletion | undefined;
  /** The accounts whose deletion failed at the last attempt. */
  readonly #failing = new Set<bigint>();

  constructor(options: AccountDeletionsOptions) {
    this.#options = options;
  }

  /** Does one piece of the work. It ends soon after an abort. Never rejects. */
  async poll(signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options;
    if (!store.isUp) return;
    try {
      const page = { after: this.#last, limit: ACCOUNTS_AT_ONCE };
      const due = await store.ask(async (db) => db.users.listDeletions(page));
      if (due.length === 0 && this.#last === undefined) this.#failing.clear();
      this.#last = due.length < ACCOUNTS_AT_ONCE ? undefined : due.at(-1);
      for (const account of due) {
        if (signal.aborted) return;
        await this.#endOrWait(account, signal);
      }
    } catch (error) {
      log.debug({ error }, 'deletions of accounts wait for the users database');
    }
  }

  /** One account that fails does not keep the others. */
  async #endOrWait(account: Deletion, signal: AbortSignal): Promise<void> {
    try {
      await this.#end(account, signal);
      this.#failing.delete(account.id);
    } catch (error) {
      if (signal.aborted || this.#failing.has(account.id)) return;
      this.#failing.add(account.id);
      const { log } = this.#options;
      log.warn(
        { error, userId: String(account.id) },
        'the deletion of an account fails; it is tried again every half minute',
      );
    }
  }

  async #end({ id, deleteLinks, isSettled }: Deletion, signal: AbortSignal): Promise<void> {
    const { store, links, images, log } = this.#options;
    const { links: changed, isDone } = await links.leaveOwner(id, deleteLinks, signal, (link) =>
      images?.linkDeleted(link),
    );
    if (changed > 0)
      log.info({ links: changed, deleteLinks }, 'links of an account that has ended were changed');
    if (isSettled && isDone) await store.ask(async (db) => db.users.remove(id));
  }
}

/** Ends accounts in the background, until it is disposed of. */
export function openAccountDeletions(options: AccountDeletionsOptions): AsyncDisposable {
  const deletions = new AccountDeletions(options);
  const stopping = new AbortController();
  const { signal } = stopping;
  const polling = pollEvery(EVERY_MS, signal, async () => deletions.poll(signal));
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(polling);
    },
  };
}
