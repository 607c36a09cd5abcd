import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

interface Entry {
  readonly mac: Buffer;
  untilMs: number;
}

const REMEMBERED_MS = 600_000;
/** Some 3 MB. Of more, those that were right longest ago are forgotten. */
const MAX_ENTRIES = 10_000;

/**
 * The passwords that were right in the last ten minutes, so that the visitors of a link do not all wait for
 * its hash. Memory contains no password: each is an HMAC under a key that only this process has.
 *
 * Each is found by the hash that it fits. When the password of a link changes, so does its hash, and nobody
 * asks for the old one any more.
 */
export class RightPasswords {
  readonly #key = randomBytes(32);
  /** In the order in which they were right. */
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number, maxEntries = MAX_ENTRIES) {
    this.#now = now;
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Whether this password was right for this hash in the last ten minutes; it is then for ten more. False
   * says nothing about the password.
   */
  has(password: string, hash: string): boolean {
    const entry = this.#entries.get(hash);
    if (entry === undefined) return false;
    if (entry.untilMs <= this.#now()) {
      this.#entries.delete(hash);
      return false;
    }
    if (!timingSafeEqual(entry.mac, this.#macOf(password))) return false;
    this.#put(hash, entry.mac);
    return true;
  }

  /** The password is right for this hash. */
  add(password: string, hash: string): void {
    this.#put(hash, this.#macOf(password));
  }

  #put(hash: string, mac: Buffer): void {
    this.#entries.delete(hash);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size >= this.#maxEntries) this.#entries.delete(oldest);
    this.#entries.set(hash, { mac, untilMs: this.#now() + REMEMBERED_MS });
  }

  #macOf(password: string): Buffer {
    return createHmac('sha256', this.#key).update(password).digest();
  }
}
