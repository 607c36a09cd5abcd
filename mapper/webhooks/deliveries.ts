import { randomBytes } from 'node:crypto';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import type { Webhook } from '../../db/accounts/webhooks.ts';
import type { ClaimedDelivery, OutboxDb, WaitingEvent } from '../../db/outbox/outbox-db.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { DeliveryLog } from './delivery-log.ts';
import { expand } from './expand.ts';
import type { Lanes } from './lanes.ts';
import type { Message } from './message.ts';
import { pauseAfter, switchedOffIfFailingSince } from './retry-policy.ts';
import type { Attempt } from './sender.ts';
import { WaitingCounts } from './waiting-counts.ts';

/** What became of an event on its way to one webhook. */
export type DeliveryResult = 'ok' | 'failed' | 'given-up' | 'dropped';

export interface DeliveriesOptions {
  /** The outbox of one urls server. */
  readonly db: OutboxDb;
  readonly users: {
    readonly isUp: boolean;
    ask<T>(work: (db: UsersDb) => Promise<T>): Promise<T>;
  };
  /** Of the process: all its outboxes share them. */
  readonly lanes: Lanes;
  /** The `data` of an event, as JSON, from the body of its row. @throws when this version cannot read it */
  readonly toData: (event: string, body: string) => string;
  /** Makes one attempt. Never rejects. */
  readonly post: (webhook: Webhook, message: Message) => Promise<Attempt>;
  readonly deliveryLog: DeliveryLog;
  /** How long a delivery is tried again. */
  readonly retryMs: number;
  readonly onResult: (result: DeliveryResult, attempt?: Attempt) => void;
  readonly onSwitchedOff: () => void;
  readonly log: Log;
}

const WEBHOOKS_AT_ONCE = 200;
/** An answer that takes longer is slow: its webhook gets no place among those that are quick. */
const SLOW_MS = 2_000;
const SAID_EVERY_MS = 600_000;
const MAX_SAID = 10_000;

/** Delivers the events of one urls server. Every process does it; each row is claimed by one of them. */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #waiting: WaitingCounts;
  /** When it was last said that events of a webhook are dropped. */
  readonly #saidDropped = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  /** The webhooks behind this one come next. Undefined: from the first on. */
  #after: string | undefined;
  /** By the last look at all webhooks. */
  #lateMs = 0;
  /** By the look that is under way. */
  #lookLateMs = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.#waiting = new WaitingCounts(options.db);
  }

  get name(): string {
    return this.#options.db.name;
  }

  /**
   * How long the delivery that is due longest waits for its attempt, at a receiver that does not fail, in ms.
   */
  get lateMs(): number {
    return this.#lateMs;
  }

  /**
   * Begins what is due, as far as there are places.
   * @returns whether anything was begun, so that the next round may find more
   * @throws the errors of the stores
   */
  async round(): Promise<boolean> {
    const { db, users } = this.#options;
    if (!users.isUp) return false;
    const hasExpanded = await this.#expand();
    const due = await db.listDue(this.#after, WEBHOOKS_AT_ONCE);
    const isLast = due.length < WEBHOOKS_AT_ONCE;
    this.#after = isLast ? undefined : due.at(-1)?.webhookId;
    const ids = due.map(({ webhookId }) => webhookId);
    const webhooks = ids.length === 0 ? [] : await users.ask(async (of) => of.webhooks.listByIds(ids));
    const byId = new Map(webhooks.map((webhook) => [webhook.id, webhook]));
    // Those that fail wait for their receiver, not for us.
    const working = due.filter(({ webhookId }) => byId.get(webhookId)?.failingSince === null);
    this.#lookLateMs = Math.max(this.#lookLateMs, ...working.map((one) => one.lateMs));
    if (isLast) [this.#lateMs, this.#lookLateMs] = [this.#lookLateMs, 0];
    let hasBegun = hasExpanded;
    for (const id of this.#options.lanes.inTurn(ids)) {
      const webhook = byId.get(id);
      const begun = webhook === undefined ? await this.#drop(id) : await this.#begin(webhook);
      if (begun > 0) hasBegun = true;
    }
    return hasBegun;
  }

  /** Waits for the attempts under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #expand(): Promise<boolean> {
    const { db, users, onResult } = this.#options;
    return expand({
      db,
      webhooksOf: async (userIds) => users.ask(async (of) => of.webhooks.listOfUsers(userIds)),
      isFull: async (webhookId, event) => this.#waiting.isFull(webhookId, event),
      onDropped: (webhook, event) => {
        onResult('dropped');
        this.#sayDropped(webhook, event);
      },
    });
  }

  /** Now and then: what is dropped may be thousands of events. */
  #sayDropped(webhook: Webhook, { id: eventId, event }: WaitingEvent): void {
    const { deliveryLog, log } = this.#options;
    const saidAtMs = this.#saidDropped.get(webhook.id);
    if (saidAtMs !== undefined && monotonicMs() - saidAtMs < SAID_EVERY_MS) return;
    if (this.#saidDropped.size >= MAX_SAID) this.#saidDropped.clear();
    this.#saidDropped.set(webhook.id, monotonicMs());
    log.warn(
      { webhook: webhook.id, userId: String(webhook.userId), event, urlsDb: this.name },
      'events for a webhook are dropped: too many wait',
    );
    deliveryLog.add({
      id: randomBytes(16).toString('hex'),
      webhookId: webhook.id,
      attemptedAt: new Date(),
      eventId,
      event,
      attempt: 0,
      status: null,
      reason: 'too many events wait: this one was dropped, and perhaps others in the ten minutes after it',
      tookMs: 0,
      nextAt: null,
    });
  }

  /** The webhook is gone or off. @returns how many rows went */
  async #drop(webhookId: string): Promise<number> {
    const dropped = await this.#options.db.drop(webhookId);
    for (let count = 0; count < dropped; count += 1) this.#options.onResult('dropped');
    return dropped;
  }

  /** @returns how many deliveries were begun, or dropped: they are of before the webhook was off */
  async #begin(webhook: Webhook): Promise<number> {
    const { db, lanes } = this.#options;
    const receiver = { ...webhook, isFailing: webhook.failingSince !== null };
    const free = lanes.free(receiver);
    if (free === 0) return 0;
    const claim = randomBytes(16).toString('hex');
    const claimed = await db.claim(claim, webhook.id, free);
    const [rows, late] = divideAt(webhook.dropsBefore, claimed);
    await db.remove(claim, late);
    for (let count = 0; count < late.length; count += 1) this.#options.onResult('dropped');
    for (const row of rows) {
      const giveBack = lanes.take(receiver);
      const running = this.#deliver(webhook, row, claim)
        .then(giveBack)
        .finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
    return claimed.length;
  }

  /** @returns whether the receiver has answered well and soon */
  async #deliver(webhook: Webhook, row: ClaimedDelivery, claim: string): Promise<boolean> {
    const { log } = this.#options;
    const attemptedAt = new Date();
    const attempt = await this.#attempt(webhook, row);
    try {
      if (attempt.isCut === true) await this.#options.db.release(claim, row);
      else await this.#settle(webhook, row, { claim, attempt, attemptedAt });
    } catch (error) {
      // The lease ends, and the delivery is made again: at least once.
      log.debug({ error, webhook: webhook.id }, 'the outcome of a delivery could not be stored');
    }
    return attempt.reason === null && attempt.tookMs < SLOW_MS;
  }

  async #attempt(
    webhook: Webhook,
    { eventId: id, event, body, createdAt: at }: ClaimedDelivery,
  ): Promise<Attempt> {
    const { toData, post, log } = this.#options;
    let data: string;
    try {
      data = toData(event, body);
    } catch (error) {
      // A newer version wrote it. Another mapper may know it.
      log.warn(
        { error, event, webhook: webhook.id },
        'an event for a webhook cannot be read by this version',
      );
      return { status: null, reason: 'the event could not be read', tookMs: 0 };
    }
    return post(webhook, { id, event, at, data });
  }

  async #settle(
    webhook: Webhook,
    row: ClaimedDelivery,
    { claim, attempt, attemptedAt }: { claim: string; attempt: Attempt; attemptedAt: Date },
  ): Promise<void> {
    const { db, users, deliveryLog, retryMs, onResult } = this.#options;
    const nowMs = Date.now();
    const attempts = row.attempts + 1;
    const pauseMs =
      attempt.reason === null
        ? undefined
        : pauseAfter({ attempts, ageMs: nowMs - row.createdAt.getTime(), retryMs, random: Math.random() });
    const result = attempt.reason === null ? 'ok' : pauseMs === undefined ? 'given-up' : 'failed';
    onResult(result, attempt);
    deliveryLog.add({
      id: randomBytes(16).toString('hex'),
      webhookId: webhook.id,
      attemptedAt,
      eventId: row.eventId,
      event: row.event,
      attempt: attempts,
      status: attempt.status,
      reason: attempt.reason,
      tookMs: attempt.tookMs,
      nextAt: pauseMs === undefined ? null : new Date(nowMs + pauseMs),
    });
    if (pauseMs === undefined) await db.remove(claim, [row]);
    else await db.postpone(claim, row, pauseMs);
    if (result === 'ok' && webhook.failingSince !== null)
      await users.ask(async (of) => of.webhooks.stoppedFailing(webhook.id));
    if (result !== 'ok' && webhook.failingSince === null)
      await users.ask(async (of) => of.webhooks.beganFailing(webhook.id, attemptedAt));
    if (result === 'given-up') await this.#switchOffIfDead(webhook, attempt.reason ?? '');
  }

  /** Switches a webhook off whose deliveries have failed for the whole time. */
  async #switchOffIfDead(webhook: Webhook, lastReason: string): Promise<void> {
    const { users, retryMs, onSwitchedOff, log } = this.#options;
    const at = new Date();
    const failingBefore = switchedOffIfFailingSince(at.getTime(), retryMs);
    const hours = Math.round(retryMs / 3_600_000);
    const time = hours > 0 ? `${hours} h` : `${Math.round(retryMs / 1_000)} s`;
    const reason = `Every delivery has failed for ${time}; the last: ${lastReason}.`;
    const isOff = await users.ask(async (of) =>
      of.webhooks.switchOff(webhook.id, { at, reason, failingBefore }),
    );
    if (!isOff) return;
    onSwitchedOff();
    log.warn(
      { webhook: webhook.id, userId: String(webhook.userId), reason: lastReason },
      'a webhook was switched off: every delivery has failed for the whole time of its retries',
    );
  }
}

/** Those since a time, and those before it. Null: there are none before it. */
function divideAt(
  time: Date | null,
  rows: readonly ClaimedDelivery[],
): [since: readonly ClaimedDelivery[], before: readonly ClaimedDelivery[]] {
  if (time === null) return [rows, []];
  return [
    rows.filter(({ createdAt }) => createdAt >= time),
    rows.filter(({ createdAt }) => createdAt < time),
  ];
}
