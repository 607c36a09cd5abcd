import type { EventName } from '../db/outbox/outbox.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { UsersStore } from './auth/users-store.ts';
import { WebhookOwners } from './webhooks/webhook-owners.ts';

/** Who has webhooks, as every process remembers it. */
export interface WebhookListeners {
  readonly owners: WebhookOwners;
  /** Those of them who want to hear of clicks. Up to date only while anybody has a webhook. */
  readonly ofClicks: WebhookOwners;
  /** Reads it again. Never rejects. */
  poll(): Promise<void>;
  /** An announcement has arrived. @returns false when it is about something else */
  hear(message: string): boolean;
}

/** Beyond it, everybody's events are written, and dropped again where nobody wants them. */
const MAX_OWNERS = 100_000;

export function createWebhookListeners(store: UsersStore): WebhookListeners {
  const create = (event?: EventName): WebhookOwners =>
    new WebhookOwners({
      read: async () =>
        store.isConfigured ? store.ask(async (db) => db.webhooks.listOwners(MAX_OWNERS, event)) : [],
      now: monotonicMs,
    });
  const [owners, ofClicks] = [create(), create('link.clicked')];
  return {
    owners,
    ofClicks,
    poll: async () => {
      await owners.poll();
      if (owners.mayBeAny) await ofClicks.poll();
    },
    hear: (message) => owners.hear(message) && ofClicks.hear(message),
  };
}
