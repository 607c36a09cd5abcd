/** Reads whose webhooks are sent anything. */
export interface WebhookOwnersOptions {
  /**
   * The users with a webhook that is on; undefined: there are too many to remember; `same`: nobody who was
   * not among them has got one since the last time. @throws
   */
  readonly read: () => Promise<readonly bigint[] | 'same' | undefined>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** No key of a link has these characters, so the message is none about a link. */
const PREFIX = '!webhooks ';
/** What was read longer ago says nothing any more. */
const FRESH_MS = 5_000;

/** The announcement that a user has a webhook. Mappers that do not know it forget a link of this name. */
export function formatWebhookAnnouncement(userId: bigint): string {
  return PREFIX + String(userId);
}

/**
 * Which users have webhooks, so that nobody else pays for events. What has changed is read every second, and
 * a new webhook is announced to all mappers before it is answered.
 */
export class WebhookOwners {
  readonly #options: WebhookOwnersOptions;
  /** Undefined: it may be anybody. */
  #users: ReadonlySet<bigint> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Announced users, and when: a read that began before has not seen their webhooks. */
  readonly #announced = new Map<bigint, number>();

  constructor(options: WebhookOwnersOptions) {
    this.#options = options;
  }

  /**
   * Whether an event of a link of this owner must be written. True also when nobody can say: then the
   * delivery drops the event of an owner without webhooks.
   */
  mayHave(userId: bigint): boolean {
    if (this.#users?.has(userId) === true || this.#announced.has(userId)) return true;
    return this.#users === undefined || this.#options.now() - this.#readAtMs > FRESH_MS;
  }

  /** Whether this owner had webhooks when it was last known, however long ago. */
  hadAny(userId: bigint): boolean {
    if (this.#users?.has(userId) === true || this.#announced.has(userId)) return true;
    return this.#users === undefined && this.#readAtMs > Number.NEGATIVE_INFINITY;
  }

  /** False: nobody has a webhook. */
  get mayBeAny(): boolean {
    if (this.#announced.size > 0) return true;
    return this.#users?.size !== 0 || this.#options.now() - this.#readAtMs > FRESH_MS;
  }

  /** Reads it again. Never rejects. */
  async poll(): Promise<void> {
    const { read, now } = this.#options;
    const beganAtMs = now();
    try {
      const users = await read();
      this.#readAtMs = beganAtMs;
      if (users === 'same') return;
      this.#users = users && new Set(users);
      for (const [userId, atMs] of this.#announced) if (atMs < beganAtMs) this.#announced.delete(userId);
    } catch {
      // What was read before stands for some seconds.
    }
  }

  /** An announcement has arrived. @returns false when it is about something else */
  hear(message: string): boolean {
    if (!message.startsWith(PREFIX)) return false;
    const id = message.slice(PREFIX.length);
    if (/^\d{1,19}$/.test(id)) this.add(BigInt(id));
    return true;
  }

  /** This user has a webhook now. */
  add(userId: bigint): void {
    this.#announced.set(userId, this.#options.now());
  }
}
