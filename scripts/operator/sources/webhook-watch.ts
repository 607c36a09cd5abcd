import { openUsersDb } from '../../../db/accounts/users-db.ts';
import type { WantsEvents } from '../../../db/outbox/link-events.ts';
import { WebhookOwners } from '../../../mapper/webhooks/webhook-owners.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { pollEvery } from '../../../runtime/polling.ts';
import type { Cluster } from './find-cluster.ts';

/** Whether somebody wants to hear of links, as the users database said a second ago. */
export interface WebhookWatch extends AsyncDisposable {
  readonly wantsEvents: WantsEvents;
}

const EVERY_MS = 1_000;

/** @param ownerId whose links are made or changed; null: nobody's */
export async function watchWebhooks({ config }: Cluster, ownerId: bigint | null): Promise<WebhookWatch> {
  const { usersDb } = config.stores;
  if (ownerId === null || usersDb === undefined)
    return { wantsEvents: () => false, [Symbol.asyncDispose]: async () => undefined };
  const db = openUsersDb(usersDb);
  const owners = new WebhookOwners({
    read: async () => ((await db.webhooks.listOfUsers([ownerId])).length > 0 ? [ownerId] : []),
    now: monotonicMs,
  });
  await owners.poll();
  const stopping = new AbortController();
  const polling = pollEvery(EVERY_MS, stopping.signal, async () => owners.poll());
  return {
    wantsEvents: (userId) => owners.mayHave(userId),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await db.close();
      await polling;
    },
  };
}
