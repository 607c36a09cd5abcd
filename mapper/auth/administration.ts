import { createUserId } from '../../db/accounts/user-ids.ts';
import { parseEmail } from '../../db/accounts/email.ts';
import type { Report } from '../../db/accounts/reports.ts';
import type { User } from '../../db/accounts/users.ts';
import type { Log } from '../../runtime/log.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import type { Identities, Identity } from './identities.ts';
import { formatIdentityChange } from './identity-change.ts';
import type { UsersStore } from './users-store.ts';

export interface AdministrationOptions {
  readonly store: UsersStore;
  readonly identities: Identities;
  /** Resolves when all mappers have heard the message, or after half a second. Never rejects. */
  readonly announce: (message: string) => Promise<unknown>;
  /** Counts reports. */
  readonly onReport: (result: 'kept' | 'dropped') => void;
  readonly log: Log;
}

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The id before which the next page begins. Undefined: this is the last one. */
  readonly next: bigint | undefined;
}

export interface PageOptions {
  readonly limit: number;
  readonly before: bigint | undefined;
}

/**
 * What administrators do with users and reports, and how a report comes in. Every method may throw a Problem
 * 503 when the users database is away.
 */
export class Administration {
  readonly #options: AdministrationOptions;
  #isDroppingReports = false;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /**
   * Newest first.
   * @param email beginning of the email addresses; undefined: all
   * @param isDisabled undefined: whether or not
   */
  async listUsers(
    { email, isDisabled }: { email: string | undefined; isDisabled: boolean | undefined },
    { limit, before }: PageOptions,
  ): Promise<Page<User>> {
    const rows = await this.#options.store.ask(async (db) =>
      db.users.list({ email, isDisabled, before, limit: limit + 1 }),
    );
    return toPage(rows, limit);
  }

  /** @throws Problem 404 no such user */
  async getUser(id: bigint): Promise<User> {
    const user = await this.#options.store.ask(async (db) => db.users.find(id));
    if (user === undefined || user.deletionAskedAt !== null) throw noSuchUser();
    return user;
  }

  /**
   * The id of the owner for whose links an administrator asks. An account that is gone may still have links,
   * so an id need not exist.
   * @param owner an id, or an email address
   * @throws Problem 422 when it is neither, or nobody has the address
   */
  async findUserId(owner: string): Promise<bigint> {
    if (/^\d{1,19}$/.test(owner)) return BigInt(owner);
    const refuse = (reason: string): Problem => invalidFields([{ field: 'owner', reason }]);
    const parsed = parseEmail(owner);
    if (!parsed.ok) throw refuse('must be the id or the email address of a user');
    const user = await this.#options.store.ask(async (db) => db.users.findByEmail(parsed.email));
    if (user === undefined) throw refuse('is the address of no account');
    return user.id;
  }

  /**
   * Disables a user or lets him in again. It is announced to all mappers before it is answered: his keys and
   * sessions are refused, and his links go on.
   * @throws Problem 404 no such user, 422 an administrator disables himself
   */
  async setDisabled(identity: Identity, id: bigint, isDisabled: boolean): Promise<User> {
    const { store, identities, announce, log } = this.#options;
    if (isDisabled && identity.userId === id)
      throw invalidFields([{ field: 'disabled', reason: 'is yourself: another administrator must do it' }]);
    const { disabledAt } = await this.getUser(id);
    try {
      // The same state again keeps the time since when it holds.
      if ((disabledAt !== null) !== isDisabled)
        await store.ask(async (db) => db.users.setDisabled(id, isDisabled, new Date()));
    } finally {
      // Also when the answer was lost: it may have happened, and the next attempt finds nothing to change.
      identities.forgetUser(id);
      await announce(formatIdentityChange(id));
    }
    log.info(
      { user: String(id), by: String(identity.userId) },
      isDisabled ? 'an administrator has disabled a user' : 'an administrator has let a user in again',
    );
    return this.getUser(id);
  }

  /** Keeps what somebody says about a link. */
  async report(key: string, reason: string): Promise<void> {
    const createdAt = new Date();
    const report = { id: createUserId(createdAt.getTime()), key, reason, createdAt };
    const { store, onReport, log } = this.#options;
    const isKept = await store.ask(async (db) => db.reports.add(report));
    onReport(isKept ? 'kept' : 'dropped');
    if (this.#isDroppingReports === !isKept) return;
    this.#isDroppingReports = !isKept;
    if (isKept) log.info('reports are kept again');
    else log.warn('there are too many reports of links: new ones are dropped until old ones have gone');
  }

  /** Newest first. @param key of the link; undefined: of all links */
  async listReports(key: string | undefined, { limit, before }: PageOptions): Promise<Page<Report>> {
    const rows = await this.#options.store.ask(async (db) =>
      db.reports.list({ key, before, limit: limit + 1 }),
    );
    return toPage(rows, limit);
  }
}

/** 404, for an id that nobody has. */
export function noSuchUser(): Problem {
  return new Problem('not-found', { detail: 'There is no such user.' });
}

/** @param rows one more than the page has, if there are further ones */
function toPage<T extends { readonly id: bigint }>(rows: readonly T[], limit: number): Page<T> {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}
