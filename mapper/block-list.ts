import { MAX_BLOCKS, type ListedBlock } from '../db/accounts/domain-blocks.ts';
import { createUserId } from '../db/accounts/user-ids.ts';
import type { Log } from '../runtime/log.ts';
import { pollEvery } from '../runtime/polling.ts';
import { withDeadline } from '../runtime/retry.ts';
import type { DomainsService } from './api/endpoint.ts';
import type { UsersStore } from './auth/users-store.ts';
import { invalidFields, Problem } from './http/problem.ts';
import { parseDomain } from './limits/blocked-domains.ts';
import { StoredDomains } from './limits/stored-domains.ts';
import { watchBlockedDomains, type WatchedDomains } from './limits/watch-blocked-domains.ts';

export interface OpenBlockListOptions {
  /** Of `KEYMILL_BLOCKED_DOMAINS`. */
  readonly path: string | undefined;
  readonly store: UsersStore;
  /** What was judged by the lists before must be judged again. */
  readonly onChanged: () => void;
  readonly log: Log;
}

/** The domains to which no link may point: those of the file, and those that administrators have blocked. */
export interface BlockList extends AsyncDisposable {
  readonly isBlocked: (url: string) => boolean;
  /** @param host as in `URL.hostname` */
  readonly isBlockedHost: (host: string) => boolean;
  readonly file: WatchedDomains;
  /** What administrators do. */
  readonly service: DomainsService;
}

const POLL_MS = 1_000;
/** How long the start waits for the users database, which links do not need. */
const FIRST_MS = 1_000;

/**
 * Reads both lists, and again when they change.
 * @throws ConfigError when the file cannot be read
 */
export async function openBlockList({
  path,
  store,
  onChanged,
  log,
}: OpenBlockListOptions): Promise<BlockList> {
  await using stack = new AsyncDisposableStack();
  const file = stack.use(await watchBlockedDomains({ path, onChanged, log }));
  const stored = new StoredDomains(
    {
      version: async () => store.ask(async (db) => db.domains.version()),
      names: async () => store.ask(async (db) => db.domains.names()),
    },
    onChanged,
  );
  const readAgain = async (): Promise<void> => {
    try {
      await stored.read();
    } catch (error) {
      log.debug({ error }, 'blocked domains: the users database does not tell them; the last list is in use');
    }
  };
  if (store.isConfigured) {
    await withDeadline('reading blocked domains', FIRST_MS, async () => readAgain()).catch(() => undefined);
    const stopping = new AbortController();
    const polling = pollEvery(POLL_MS, stopping.signal, async () => {
      if (store.isUp) await readAgain();
    });
    stack.defer(async () => {
      stopping.abort();
      await polling;
    });
  }
  const isBlockedHost = (host: string): boolean => file.isBlockedHost(host) || stored.has(host);
  const resources = stack.move();
  return {
    file,
    isBlockedHost,
    isBlocked: (url) => file.size + stored.size > 0 && isBlockedHost(URL.parse(url)?.hostname ?? ''),
    service: new BlockingService({ store, readAgain, log }),
    [Symbol.asyncDispose]: async () => resources.disposeAsync(),
  };
}

interface BlockingOptions extends Pick<OpenBlockListOptions, 'store' | 'log'> {
  /** Never rejects. */
  readonly readAgain: () => Promise<void>;
}

/** What administrators do with the domains in the users database. All methods may throw Problem 503. */
class BlockingService implements DomainsService {
  readonly #options: BlockingOptions;

  constructor(options: BlockingOptions) {
    this.#options = options;
  }

  async list({ limit, before }: Parameters<DomainsService['list']>[0]): ReturnType<DomainsService['list']> {
    const rows = await this.#options.store.ask(async (db) => db.domains.list({ before, limit: limit + 1 }));
    const items = rows.slice(0, limit);
    return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
  }

  async block(...[identity, given, note]: Parameters<DomainsService['block']>): Promise<ListedBlock> {
    const { store, readAgain, log } = this.#options;
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
    await readAgain();
    return (await store.ask(async (db) => db.domains.find(domain))) ?? { ...block, email: null };
  }

  async unblock(...[identity, given]: Parameters<DomainsService['unblock']>): Promise<void> {
    const { store, readAgain, log } = this.#options;
    const domain = parseDomain(given);
    const isRemoved = domain !== undefined && (await store.ask(async (db) => db.domains.remove(domain)));
    if (!isRemoved) throw new Problem('not-found', { detail: NOT_BLOCKED });
    log.info({ domain, by: String(identity.userId) }, 'an administrator has let a domain go');
    await readAgain();
  }
}

const NO_DOMAIN = 'must be a domain, such as example.com';
const TOO_MANY = `is one too many: ${MAX_BLOCKS} are blocked, and more belong into the file of KEYMILL_BLOCKED_DOMAINS`;
const NOT_BLOCKED =
  'This domain is not in the list. One in the file of KEYMILL_BLOCKED_DOMAINS is removed there.';
