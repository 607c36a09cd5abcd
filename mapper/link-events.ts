import type { ClicksDbOptions } from '../db/clicks/clicks-db.ts';
import { StoreUnavailableError } from '../db/store-errors.ts';
import { messageOf } from '../runtime/errors.ts';
import type { UsersStore } from './auth/users-store.ts';
import { toClickedEvents } from './events/clicked-events.ts';
import { createExpiredLinksJob, type ExpiryListener } from './events/expired-links.ts';
import type { RestedJob } from './jobs/rested-jobs.ts';
import type { EventWishes } from './stores.ts';
import type { WebhookListeners } from './webhook-listeners.ts';

/** What connects those who want to hear of links with those who change them. */
export interface LinkEvents {
  readonly wishes: EventWishes;
  /** Writes the events of a flush of clicks. */
  readonly ofClicks: NonNullable<ClicksDbOptions['furtherFor']>;
  /** Whether anybody wants to hear of clicks. */
  readonly areClicksAwaited: () => boolean;
  /** Writes the events of links that expire. */
  readonly jobs: readonly RestedJob[];
}

interface Accounts {
  readonly store: UsersStore;
  readonly webhookListeners: WebhookListeners;
}

/** @param accounts asked only when something happens to a link: they may be opened later */
export function createLinkEvents(accounts: () => Accounts): LinkEvents {
  return {
    wishes: {
      areWanted: (userId) => accounts().webhookListeners.owners.mayHave(userId),
      mayBeWanted: () => accounts().webhookListeners.owners.mayBeAny,
    },
    ofClicks: (owned) => {
      const { owners, ofClicks } = accounts().webhookListeners;
      // Clicks go on while it is not known who has webhooks. To write events for everybody would fill the
      // outbox. What is known of clicks is only up to date while there are webhooks at all.
      return toClickedEvents(owned, (userId) => owners.hadAny(userId) && ofClicks.hadAny(userId));
    },
    areClicksAwaited: () => {
      const { owners, ofClicks } = accounts().webhookListeners;
      return owners.mayBeAny && ofClicks.mayBeAny;
    },
    jobs: [createExpiredLinksJob({ nextListener: async (after) => nextListener(accounts().store, after) })],
  };
}

/** @throws StoreUnavailableError while the users database is away */
async function nextListener(store: Accounts['store'], after: bigint): Promise<ExpiryListener | undefined> {
  if (!store.isConfigured) return undefined;
  try {
    return await store.ask(async (db) => db.webhooks.nextListener('link.expired', after));
  } catch (error) {
    throw new StoreUnavailableError('users', messageOf(error), error);
  }
}
