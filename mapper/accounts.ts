import type { IncomingMessage, ServerResponse } from 'node:http';
import { openUsersDb } from '../db/accounts/users-db.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import { pollEvery } from '../runtime/polling.ts';
import { withDeadline } from '../runtime/retry.ts';
import type { ApiOptions } from './api/call-endpoint.ts';
import { Accounts } from './auth/accounts.ts';
import { Administration } from './auth/administration.ts';
import { DomainBlocking } from './auth/domain-blocking.ts';
import { cookieNameFor } from './auth/credential.ts';
import { Guard } from './auth/guard.ts';
import { Identities, type Identity } from './auth/identities.ts';
import { parseIdentityChange } from './auth/identity-change.ts';
import { KnownKeys } from './auth/known-keys.ts';
import { LastUses } from './auth/last-uses.ts';
import { LinkPasswords } from './auth/link-passwords.ts';
import { PasswordProcess } from './auth/password-process.ts';
import { Passwords } from './auth/passwords.ts';
import { parseDomain } from './limits/blocked-domains.ts';
import type { Limits } from './limits/limits.ts';
import type { MapperMetrics } from './metrics.ts';
import { isAllowed } from './auth/scopes.ts';
import { UsersStore } from './auth/users-store.ts';
import { createWebhookListeners, type WebhookListeners } from './webhook-listeners.ts';

export interface OpenAccountsOptions {
  readonly config: MapperConfig;
  /** Origin of this service, without a slash at the end. */
  readonly publicUrl: string;
  /** Whether announcements of changes are heard. */
  readonly isHearing: () => boolean;
  /** Resolves when all mappers have heard the message, or after half a second. Never rejects. */
  readonly announce: (message: string) => Promise<unknown>;
  readonly limits: Limits;
  readonly metrics: Pick<MapperMetrics, 'signIns' | 'reports'>;
  readonly log: Log;
}

/** What the API needs of accounts. */
export interface AccountsApi extends Pick<ApiOptions, 'guard' | 'limits' | 'cookieName' | 'log'> {
  readonly services: Pick<ApiOptions['services'], 'accounts' | 'administration' | 'domains'>;
}

/** The accounts of a mapper. */
export interface MapperAccounts extends AsyncDisposable {
  readonly store: UsersStore;
  readonly linkPasswords: LinkPasswords;
  /** The domains that administrators block. */
  readonly domains: DomainBlocking;
  /** Whose events must be written for webhooks. */
  readonly webhookListeners: WebhookListeners;
  /** Whether there is a users database. */
  readonly hasUsers: boolean;
  readonly api: AccountsApi;
  /**
   * The user who makes a link with this request; undefined when it comes from nobody.
   * Counts the request for the API key or the address, and says in the response what is left.
   * @throws Problem 401, 403, 429, 503
   */
  ownerOf(request: IncomingMessage, response: ServerResponse): Promise<bigint | undefined>;
  /**
   * Whose key an `Authorization` is, if memory knows it. Undefined: only `ownerOf` can say. A promise, which
   * never rejects: the key is read.
   * @param client address of who sent it; undefined: it has no limits
   */
  ownerOfKey(authorization: string, client?: string): KeyOwner | Promise<KeyOwner | undefined> | undefined;
  /** An announcement has arrived. @returns false when it is about a link */
  hear(message: string): boolean;
  /** Announcements may have been missed. */
  forgetAll(): void;
}

const POLL_MS = 1_000;
const WRITES_POLL_MS = 2_000;
const FLUSH_MS = 2_000;
const SWEEP_MS = 600_000;
/** How long the stop waits for a database that hangs. */
const LAST_FLUSH_MS = 1_000;

/** Opens the users database, and everything that asks it. Does not wait for it: links go without. */
export function openAccounts({
  config,
  publicUrl,
  isHearing,
  announce,
  limits,
  metrics,
  log,
}: OpenAccountsOptions): MapperAccounts {
  const { usersDb } = config.stores;
  const db = usersDb && openUsersDb(usersDb);
  const { keptImportDays } = config.jobs;
  const store = new UsersStore({ db, keptImportDays, now: monotonicMs, log });
  const uses = new LastUses(store, log);
  const identities = new Identities({
    store,
    limit: limits.credentials,
    isHearing,
    onUsed: (identity) => uses.used(identity, Date.now()),
    now: monotonicMs,
  });
  const keys = new KnownKeys(identities);
  const passwords = new PasswordProcess(log);
  const accounts = new Accounts({
    store,
    passwords: new Passwords(passwords),
    identities,
    announce,
    onSignIn: (result) => metrics.signIns.inc({ result }),
    isSignupOpen: config.signup === 'open',
  });
  const administration = new Administration({
    store,
    identities,
    announce,
    onReport: (result) => metrics.reports.inc({ result }),
    log,
  });
  const domains = new DomainBlocking({ store, parseDomain, log });
  const cookieName = cookieNameFor(publicUrl);
  const guard = new Guard({
    identities,
    clientOf: (request) => limits.clientOf(request),
    cookieName,
    publicUrl,
  });
  const webhookListeners = createWebhookListeners(store);
  const stopping = new AbortController();
  const polls = [
    pollEvery(POLL_MS, stopping.signal, async () => store.poll()),
    pollEvery(WRITES_POLL_MS, stopping.signal, async () => store.pollWrites()),
    pollEvery(POLL_MS, stopping.signal, async () => webhookListeners.poll()),
    pollEvery(FLUSH_MS, stopping.signal, async () => uses.flush()),
    pollEvery(SWEEP_MS, stopping.signal, async () => store.sweep()),
  ];
  return {
    store,
    linkPasswords: new LinkPasswords(passwords),
    webhookListeners,
    domains,
    hasUsers: usersDb !== undefined,
    api: { services: { accounts, administration, domains }, guard, limits, cookieName, log },
    ownerOf: async (request, response) => {
      const identity = await guard.identify(request);
      await limits.enforceCreator(request, response, identity);
      guard.authorise(identity, { optional: 'links:create' });
      return identity?.userId;
    },
    ownerOfKey: (authorization, client) => {
      const identity = keys.tryIdentify(authorization);
      return identity === undefined
        ? keys.identify(authorization, client)?.then(toKeyOwner)
        : toKeyOwner(identity);
    },
    hear: (message) => {
      if (webhookListeners.hear(message)) return true;
      const userId = parseIdentityChange(message);
      if (userId !== undefined) identities.forgetUser(userId);
      return userId !== undefined;
    },
    forgetAll: () => identities.forgetAll(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      passwords.close();
      await withDeadline('recording of uses', LAST_FLUSH_MS, async () => uses.flush()).catch(() => undefined);
      // Cuts off the statements in flight, so that the polls end also when the database hangs.
      await db?.close();
      await Promise.all(polls);
    },
  };
}

interface KeyOwner {
  readonly userId: bigint;
  readonly keyId: string;
}

/** Somebody who may make links with his key. */
function toKeyOwner(identity: Identity | undefined): KeyOwner | undefined {
  if (identity?.proof.kind !== 'key' || !isAllowed(identity.scopes, 'links:create')) return undefined;
  return { userId: identity.userId, keyId: identity.proof.id };
}
