import { randomBytes } from 'node:crypto';
import type { Webhook } from '../../db/accounts/webhooks.ts';
import type { Copy, OutboxDb, WaitingEvent } from '../../db/outbox/outbox-db.ts';

export interface ExpandOptions {
  readonly db: OutboxDb;
  /** The webhooks of these users that are on. @throws when nobody can say */
  readonly webhooksOf: (userIds: readonly bigint[]) => Promise<readonly Webhook[]>;
  /** Whether a webhook of this server has too many events waiting for one more. */
  readonly isFull: (webhookId: string) => Promise<boolean>;
  readonly onDropped: (webhook: Webhook) => void;
}

const EVENTS_AT_ONCE = 100;

/**
 * Replaces events that wait by one row for each webhook that wants them. Two processes that do it at the same
 * time claim different events.
 * @returns whether there may be more
 * @throws the errors of the stores: what was claimed is claimed again when its lease is over
 */
export async function expand({ db, webhooksOf, isFull, onDropped }: ExpandOptions): Promise<boolean> {
  const claim = randomBytes(16).toString('hex');
  const events = await db.claimEvents(claim, EVENTS_AT_ONCE);
  if (events.length === 0) return false;
  const webhooks = await webhooksOf([...new Set(events.map(({ userId }) => userId))]);
  const byUser = Map.groupBy(webhooks, ({ userId }) => userId);
  const copies: Copy[] = [];
  for (const event of events) {
    for (const webhook of byUser.get(event.userId)?.filter((one) => one.events.includes(event.event)) ?? []) {
      if (await isFull(webhook.id)) onDropped(webhook);
      else copies.push(copyOf(event, webhook));
    }
  }
  await db.replace(claim, copies);
  return events.length === EVENTS_AT_ONCE;
}

function copyOf(event: WaitingEvent, { id: webhookId }: Webhook): Copy {
  return { event, id: randomBytes(16).toString('hex'), webhookId };
}
