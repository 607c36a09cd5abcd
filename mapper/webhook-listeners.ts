import type { WebhookOwner } from '../db/accounts/webhooks.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { UsersStore } from './auth/users-store.ts';
import { WebhookOwners } from './webhooks/webhook-owners.ts';

/** Who has webhooks, as every process remembers it. */
export interface WebhookListeners {
  readonly owners: WebhookOwners;
  /** Those of them who want to hear of clicks. */
  readonly ofClicks: WebhookOwners;
  /** Reads it again. Never rejects. */
  poll(): Promise<void>;
  /** An announcement has arrived. @returns false when it is about something else */
  hear(message: string): boolean;
}

/** Beyond it, everybody's events are written, and dropped again where nobody wants them. */
const MAX_OWNERS = 100_000;

/** What was read: of whom it is known whether he wants to hear of clicks. */
type Owners = readonly WebhookOwner[] | 'same' | undefined;

export function createWebhookListeners(store: Pick<UsersStore, 'isConfigured' | 'ask'>): WebhookListeners {
  const reader = new OwnersReader(store, monotonicMs);
  let reading: Promise<Owners> = Promise.resolve([]);
  const create = (isMeant: (owner: WebhookOwner) => boolean): WebhookOwners =>
    new WebhookOwners({
      read: async () => {
        const found = await reading;
        return found === undefined || found === 'same'
          ? found
          : found.filter(isMeant).map(({ userId }) => userId);
      },
      now: monotonicMs,
    });
  const [owners, ofClicks] = [create(() => true), create(({ isWanting }) => isWanting)];
  return {
    owners,
    ofClicks,
    poll: async () => {
      reading = reader.read();
      await Promise.all([owners.poll(), ofClicks.poll()]);
    },
    hear: (message) => owners.hear(message) && ofClicks.hear(message),
  };
}

/** Webhooks that went, or were switched off, are noticed then: their events are dropped until then. */
const FULL_EVERY_MS = 30_000;
/** A change is seen by others when its statement has ended, some time after the time that it has. */
const SETTLED_MS = 5_000;

/** Reads the owners of webhooks, and only asks whether there are others while nothing has changed. */
class OwnersReader {
  readonly #store: Pick<UsersStore, 'isConfigured' | 'ask'>;
  readonly #now: () => number;
  #readAtMs = Number.NEGATIVE_INFINITY;

  /** @param now monotonic milliseconds */
  constructor(store: Pick<UsersStore, 'isConfigured' | 'ask'>, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** @throws while the users database is away */
  async read(): Promise<Owners> {
    if (!this.#store.isConfigured) return [];
    const beganAtMs = this.#now();
    const sinceReadMs = beganAtMs - this.#readAtMs;
    if (sinceReadMs < FULL_EVERY_MS) {
      const changedAgoMs = await this.#store.ask(async (db) => db.webhooks.changedAgoMs());
      if (changedAgoMs === undefined || changedAgoMs > sinceReadMs + SETTLED_MS) return 'same';
    }
    const owners = await this.#store.ask(async (db) => db.webhooks.listOwners(MAX_OWNERS, 'link.clicked'));
    this.#readAtMs = beganAtMs;
    return owners;
  }
}
