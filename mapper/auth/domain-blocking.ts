import { MAX_BLOCKS, type ListedBlock } from '../../db/accounts/domain-blocks.ts';
import { createUserId } from '../../db/accounts/user-ids.ts';
import type { Log } from '../../runtime/log.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import type { Page, PageOptions } from './administration.ts';
import type { Identity } from './identities.ts';
import type { UsersStore } from './users-store.ts';

export interface DomainBlockingOptions {
  readonly store: Pick<UsersStore, 'isConfigured' | 'isUp' | 'ask'>;
  /** A domain in the spelling of `URL.hostname`. Undefined: it is none. */
  readonly parseDomain: (text: string) => string | undefined;
  readonly log: Log;
}

const NO_DOMAIN = 'must be a domain, such as example.com';
const TOO_MANY = `is one too many: ${MAX_BLOCKS} are blocked, and more belong into the file of KEYMILL_BLOCKED_DOMAINS`;
const NOT_BLOCKED =
  'This domain is not in the list. One in the file of KEYMILL_BLOCKED_DOMAINS is removed there.';

/** The domains that administrators block. Every method that asks for them may throw Problem 503. */
export class DomainBlocking {
  readonly #options: DomainBlockingOptions;
  #changed: () => Promise<void> = async () => undefined;

  constructor(options: DomainBlockingOptions) {
    this.#options = options;
  }

  /** Whether there is a database that has them. */
  get isConfigured(): boolean {
    return this.#options.store.isConfigured;
  }

  get isUp(): boolean {
    return this.#options.store.isUp;
  }

  /** @param changed called, and awaited, when this process has changed the list. Never rejects. */
  listen(changed: () => Promise<void>): void {
    this.#changed = changed;
  }

  /** Rises with each change, of any mapper. */
  async version(): Promise<bigint> {
    return this.#options.store.ask(async (db) => db.domains.version());
  }

  async names(): Promise<readonly string[]> {
    return this.#options.store.ask(async (db) => db.domains.names());
  }

  /** Newest first. */
  async list({ limit, before }: PageOptions): Promise<Page<ListedBlock>> {
    const rows = await this.#options.store.ask(async (db) => db.domains.list({ before, limit: limit + 1 }));
    const items = rows.slice(0, limit);
    return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
  }

  /**
   * Blocks a domain. Of one that is blocked it changes note, administrator and time.
   * @throws Problem 422 for what is no domain, or one too many
   */
  async block(identity: Identity, given: string, note: string | null): Promise<ListedBlock> {
    const { store, parseDomain, log } = this.#options;
    const domain = parseDomain(given);
    if (domain === undefined) throw invalidFields([{ field: 'domain', reason: NO_DOMAIN }]);
    const [found, count] = await store.ask(async (db) =>
      Promise.all([db.domains.find(domain), db.domains.count()]),
    );
    if (found === undefined && count >= MAX_BLOCKS)
      throw invalidFields([{ field: 'domain', reason: TOO_MANY }]);
    const blockedAt = new Date();
    const id = createUserId(blockedAt.getTime());
    const block = { id, domain, note, blockedBy: identity.userId, blockedAt };
    await store.ask(async (db) => db.domains.add(block));
    log.info({ domain, by: String(identity.userId) }, 'an administrator has blocked a domain');
    await this.#changed();
    return (await store.ask(async (db) => db.domains.find(domain))) ?? { ...block, email: null };
  }

  /** @throws Problem 404 it is not in the list */
  async unblock(identity: Identity, given: string): Promise<void> {
    const { store, parseDomain, log } = this.#options;
    const domain = parseDomain(given);
    const isRemoved = domain !== undefined && (await store.ask(async (db) => db.domains.remove(domain)));
    if (!isRemoved) throw new Problem('not-found', { detail: NOT_BLOCKED });
    log.info({ domain, by: String(identity.userId) }, 'an administrator has let a domain go');
    await this.#changed();
  }
}
