import { timingSafeEqual } from 'node:crypto';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import { Problem } from '../http/problem.ts';
import type { Credential } from './credential.ts';
import { CredentialReads, type CredentialLimit } from './credential-reads.ts';
import { scopesOfKey, scopesOfSession, type Scope } from './scopes.ts';
import type { UsersStore } from './users-store.ts';

/** Who sent a request, and what he may do. */
export interface Identity {
  readonly userId: bigint;
  readonly scopes: readonly Scope[];
  readonly proof:
    { readonly kind: 'key'; readonly id: string } | { readonly kind: 'session'; readonly hash: Buffer };
  /** The end of the session or key, in milliseconds since 1970. */
  readonly endsAtMs: number;
  /** When the store last recorded a use, in milliseconds since 1970. */
  readonly usedAtMs: number;
}

export interface IdentitiesOptions {
  readonly store: UsersStore;
  /** Bounds the credentials that nobody knows. */
  readonly limit: CredentialLimit;
  /** Whether announcements of changes are heard: then an identity may be remembered for longer. */
  readonly isHearing: () => boolean;
  /** Called for every request with an identity. Must not throw. */
  readonly onUsed: (identity: Identity) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Remembered {
  readonly identity: Identity;
  readonly readAtMs: number;
}

const HEARING_TTL_MS = 60_000;
/** A key that is revoked is refused everywhere within a second, also where the announcement is not heard. */
const DEAF_TTL_MS = 1_000;
const MAX_REMEMBERED = 10_000;
const MAX_REFUSED = 1_000;
/** Of an identity that must be read again. It stays, so that its credential is known to have been good. */
const OUTDATED = Number.NEGATIVE_INFINITY;

type Proof = Exclude<Credential, { kind: 'none' | 'malformed' }>;

/**
 * Finds out who sent a request, from memory or from the users database. Requests with the same credential
 * share one read. While the database is away, an identity lasts as long as it may be remembered. Reads for
 * credentials that were never seen to be good are bounded: anybody can make them up.
 */
export class Identities {
  readonly #options: IdentitiesOptions;
  /** By the hash of the credential, the longest unread first. */
  readonly #remembered = new Map<string, Remembered>();
  readonly #reads = new Map<string, Promise<Identity>>();
  readonly #newReads: CredentialReads;
  /** When credentials were refused that nobody knows, by the same names, the longest ago first. */
  readonly #refused = new Map<string, number>();
  /** Counts what was forgotten. A read that began before it must not be remembered. */
  #changes = 0;

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    this.#newReads = new CredentialReads(options.limit);
  }

  /**
   * @param client who sent it; undefined: it has no limits
   * @returns undefined when the request has no credential
   * @throws Problem 401 for a bad, expired or revoked one, 429 when the client has sent too many that nobody
   *   knows, 503 when nobody can say
   */
  async identify(credential: Credential, client?: string): Promise<Identity | undefined> {
    if (credential.kind === 'none') return undefined;
    if (credential.kind === 'malformed') throw new Problem('bad-credential');
    const name = nameOf(credential);
    const remembered = this.#remembered.get(name);
    const isFresh = remembered !== undefined && this.#options.now() - remembered.readAtMs < this.#ttlMs;
    const identity = isFresh ? remembered.identity : await this.#read(name, credential, client);
    if (identity.endsAtMs <= Date.now()) throw new Problem('bad-credential');
    this.#options.onUsed(identity);
    return identity;
  }

  /**
   * Who sent a request, from memory alone. One that is in use is read again when half of its time is over,
   * so that it stays in memory.
   * @param knownName its {@link nameOf}, where the caller has it
   * @returns undefined when memory cannot say: then {@link identify} can
   */
  tryIdentify(credential: Credential, knownName?: string): Identity | undefined {
    if (credential.kind !== 'key' && credential.kind !== 'session') return undefined;
    const name = knownName ?? nameOf(credential);
    const remembered = this.#remembered.get(name);
    if (remembered === undefined || remembered.identity.endsAtMs <= Date.now()) return undefined;
    const ageMs = this.#options.now() - remembered.readAtMs;
    const ttlMs = this.#ttlMs;
    if (ageMs >= ttlMs) return undefined;
    if (ageMs > ttlMs / 2) this.#read(name, credential).catch(() => undefined);
    this.#options.onUsed(remembered.identity);
    return remembered.identity;
  }

  /** Something about this user has changed: his keys, his sessions, or what he may do. */
  forgetUser(userId: bigint): void {
    this.#changes += 1;
    this.#refused.clear();
    for (const [name, { identity }] of this.#remembered)
      if (identity.userId === userId) this.#remembered.set(name, { identity, readAtMs: OUTDATED });
  }

  /** Announcements may have been missed. */
  forgetAll(): void {
    this.#changes += 1;
    this.#refused.clear();
    for (const [name, { identity }] of this.#remembered)
      this.#remembered.set(name, { identity, readAtMs: OUTDATED });
  }

  get #ttlMs(): number {
    return this.#options.isHearing() ? HEARING_TTL_MS : DEAF_TTL_MS;
  }

  async #read(name: string, proof: Proof, client?: string): Promise<Identity> {
    // A request that comes after a change must not join a read that began before it.
    const flight = `${this.#changes} ${name}`;
    const running = this.#reads.get(flight);
    if (running !== undefined) return running;
    const read = async (): Promise<Identity> => this.#readNow(name, proof);
    // The same one again costs nothing, and does not count: a program with a revoked key goes on for hours.
    const refusedAtMs = this.#refused.get(name);
    if (refusedAtMs !== undefined && this.#options.now() - refusedAtMs < this.#ttlMs)
      throw new Problem('bad-credential');
    const isKnown = this.#remembered.has(name);
    const reading = (isKnown ? read() : this.#newReads.run(client, read)).finally(() =>
      this.#reads.delete(flight),
    );
    this.#reads.set(flight, reading);
    return reading;
  }

  async #readNow(name: string, proof: Proof): Promise<Identity> {
    const { store, now } = this.#options;
    const changes = this.#changes;
    const readAtMs = now();
    const identity = await store.ask(async (db) =>
      proof.kind === 'key' ? readKey(db, proof) : readSession(db, proof.hash),
    );
    this.#remembered.delete(name);
    if (identity === undefined) {
      if (changes === this.#changes) keep(this.#refused, name, readAtMs, MAX_REFUSED);
      throw new Problem('bad-credential');
    }
    this.#refused.delete(name);
    const remembered = { identity, readAtMs: changes === this.#changes ? readAtMs : OUTDATED };
    keep(this.#remembered, name, remembered, MAX_REMEMBERED);
    return identity;
  }
}

/** Adds an entry to a bounded map, in place of the oldest. */
function keep<V>(map: Map<string, V>, name: string, value: V, max: number): void {
  map.delete(name);
  const [oldest] = map.keys();
  if (map.size >= max && oldest !== undefined) map.delete(oldest);
  map.set(name, value);
}

/**
 * Under which a credential is remembered. With the whole hash: a key with the right public part and another
 * secret is another credential.
 */
export function nameOf({ kind, hash }: Proof): string {
  return `${kind} ${hash.toString('latin1')}`;
}

async function readKey(
  db: UsersDb,
  { id, hash }: { readonly id: string; readonly hash: Buffer },
): Promise<Identity | undefined> {
  const key = await db.keys.find(id);
  if (key === undefined || !timingSafeEqual(key.secretHash, hash)) return undefined;
  return {
    userId: key.userId,
    scopes: scopesOfKey(key.scopes, key.isAdmin),
    proof: { kind: 'key', id },
    endsAtMs: key.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
    usedAtMs: key.lastUsedAt?.getTime() ?? 0,
  };
}

async function readSession(db: UsersDb, hash: Buffer): Promise<Identity | undefined> {
  const session = await db.sessions.find(hash);
  if (session === undefined) return undefined;
  return {
    userId: session.userId,
    scopes: scopesOfSession(session.isAdmin),
    proof: { kind: 'session', hash },
    endsAtMs: session.expiresAt.getTime(),
    usedAtMs: session.usedAt.getTime(),
  };
}
