import { randomBytes } from 'node:crypto';
import type { Webhook } from '../../db/accounts/webhooks.ts';
import type { Copy, OutboxDb, WaitingEvent } from '../../db/outbox/outbox-db.ts';

export interface ExpandOptions {
  readonly db: OutboxDb;
  /** The webhooks of these users that are on. @throws when nobody can say */
  readonly webhooksOf: (userIds: readonly bigint[]) => Promise<readonly Webhook[]>;
  /** Whether too many events wait for this webhook on this server, so that one more may not wait. */
  readonly isFull: (webhookId: string, event: string) => Promise<boolean>;
  readonly onDropped: (webhook: Webhook, event: WaitingEvent) => void;
}

const EVENTS_AT_ONCE = 100;

/**
 * Replaces events that wait by one row for each webhook that wants them. Two processes that do it at the same
 * time claim different events.
 * @returns whether there may be more
 * @throws the errors of the stores: the events wait for the next call
 */
export async function expand(options: ExpandOptions): Promise<boolean> {
  const { db } = options;
  const claim = randomBytes(16).toString('hex');
  const events = await db.claimEvents(claim, EVENTS_AT_ONCE);
  if (events.length === 0) return false;
  let copies: Copy[];
  try {
    copies = await copiesOf(events, options);
  } catch (error) {
    // Otherwise they would wait for the end of their lease. That still ends it if this fails too.
    await db.releaseEvents(claim).catch(() => undefined);
    throw error;
  }
  await db.replace(claim, copies);
  return events.length === EVENTS_AT_ONCE;
}

async function copiesOf(
  events: readonly WaitingEvent[],
  { webhooksOf, isFull, onDropped }: ExpandOptions,
): Promise<Copy[]> {
  const webhooks = await webhooksOf([...new Set(events.map(({ userId }) => userId))]);
  const byUser = Map.groupBy(webhooks, ({ userId }) => userId);
  const copies: Copy[] = [];
  for (const event of events) {
    const wanting = byUser.get(event.userId)?.filter((webhook) => webhook.events.includes(event.event)) ?? [];
    for (const webhook of wanting) {
      if (await isFull(webhook.id, event.event)) onDropped(webhook, event);
      else copies.push(copyOf(event, webhook));
    }
  }
  return copies;
}

function copyOf(event: WaitingEvent, { id: webhookId }: Webhook): Copy {
  return { event, id: randomBytes(16).toString('hex'), webhookId };
}
