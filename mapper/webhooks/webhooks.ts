import { randomBytes } from 'node:crypto';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import type { DeliveryPosition, WebhookDelivery } from '../../db/accounts/webhook-deliveries.ts';
import type { Webhook } from '../../db/accounts/webhooks.ts';
import { invalidFields, Problem, type FieldError } from '../http/problem.ts';
import { parseTargetUrl, type TargetRules } from '../shorten/target-url.ts';
import type { Message } from './message.ts';
import { createSecret, formatSecret, type SecretBox } from './secrets.ts';
import type { Attempt } from './sender.ts';

export interface WebhooksOptions {
  readonly users: { ask<T>(work: (db: UsersDb) => Promise<T>): Promise<T> };
  readonly box: SecretBox;
  readonly targets: TargetRules;
  /** Makes one attempt. Never rejects. */
  readonly post: (webhook: Webhook, message: Message) => Promise<Attempt>;
  /** Tells all mappers that a user has a webhook. Never rejects. */
  readonly announce: (userId: bigint) => Promise<unknown>;
}

/** What an owner changes. Absent: it stays. */
export interface WebhookPatch {
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly disabled?: boolean | undefined;
}

const MAX_WEBHOOKS = 20;
/** How long a secret that was replaced signs too. */
const ROTATION_MS = 86_400_000;
const ID = /^[0-9a-f]{32}$/;
const MAX_TESTS = 8;
const OFF_BY_OWNER = 'Its owner has switched it off.';
const TEST_EVENT = 'webhook.test';
const TEST_DATA = JSON.stringify({ message: 'This is a test of your webhook. Nothing has happened.' });

/**
 * What owners do with their webhooks. Every method may throw a Problem 503 when the users database is away.
 */
export class Webhooks {
  readonly #options: WebhooksOptions;
  /** The users whose tests are under way. */
  readonly #testing = new Set<bigint>();

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  async list(userId: bigint): Promise<Webhook[]> {
    return this.#options.users.ask(async (db) => db.webhooks.list(userId));
  }

  /** @throws Problem 422 the URL may be none of a webhook, or there are enough of them */
  async create(
    userId: bigint,
    { url, events }: { url: string; events: readonly string[] },
  ): Promise<{ webhook: Webhook; secret: string }> {
    const { users, box, announce } = this.#options;
    const id = randomBytes(16).toString('hex');
    const secret = createSecret();
    const webhook = {
      id,
      userId,
      url: this.#judge(url),
      events,
      secret: box.seal(secret, id),
      createdAt: new Date(),
    };
    try {
      if (!(await users.ask(async (db) => db.webhooks.create(webhook, MAX_WEBHOOKS))))
        throw invalidFields([{ field: 'url', reason: `is one too many: you have ${MAX_WEBHOOKS} webhooks` }]);
    } finally {
      // Also when the answer was lost: the webhook may be there.
      await announce(userId);
    }
    return { webhook: await this.#get(id, userId), secret: formatSecret(secret) };
  }

  /** @throws Problem 404, 422 */
  async change(userId: bigint, id: string, { url, events, disabled }: WebhookPatch): Promise<Webhook> {
    const { users, announce } = this.#options;
    const off =
      disabled === true ? { at: new Date(), reason: OFF_BY_OWNER } : disabled === false ? null : undefined;
    const change = { url: url === undefined ? undefined : this.#judge(url), events, off };
    this.#requireId(id);
    const isThere = await users.ask(async (db) => db.webhooks.change(id, userId, change, new Date()));
    if (!isThere) throw noWebhook();
    await announce(userId);
    return this.#get(id, userId);
  }

  /** A new secret. For a day, those before sign too. @throws Problem 404 */
  async rotate(userId: bigint, id: string): Promise<{ webhook: Webhook; secret: string }> {
    const { users, box } = this.#options;
    this.#requireId(id);
    const secret = createSecret();
    const until = new Date(Date.now() + ROTATION_MS);
    const isThere = await users.ask(async (db) =>
      db.webhooks.rotate(id, userId, box.seal(secret, id), until),
    );
    if (!isThere) throw noWebhook();
    return { webhook: await this.#get(id, userId), secret: formatSecret(secret) };
  }

  /** @throws Problem 404 */
  async remove(userId: bigint, id: string): Promise<void> {
    this.#requireId(id);
    if (!(await this.#options.users.ask(async (db) => db.webhooks.remove(id, userId)))) throw noWebhook();
  }

  /**
   * Sends an event of its own to a webhook, also to one that is off, and says what became of it.
   * @throws Problem 404; 503 when this user or too many others test at this moment
   */
  async test(userId: bigint, id: string): Promise<WebhookDelivery> {
    const webhook = await this.#get(id, userId);
    if (this.#testing.has(userId))
      throw new Problem('overloaded', { detail: 'You have a test under way already.' });
    if (this.#testing.size >= MAX_TESTS) throw new Problem('overloaded');
    this.#testing.add(userId);
    try {
      return await this.#testNow(webhook);
    } finally {
      this.#testing.delete(userId);
    }
  }

  /** Newest first. @throws Problem 404 */
  async deliveries(
    userId: bigint,
    id: string,
    page: { before: DeliveryPosition | undefined; limit: number },
  ): Promise<WebhookDelivery[]> {
    await this.#get(id, userId);
    return this.#options.users.ask(async (db) => db.webhookDeliveries.list(id, page));
  }

  async #testNow(webhook: Webhook): Promise<WebhookDelivery> {
    const { users, post } = this.#options;
    const attemptedAt = new Date();
    const eventId = randomBytes(16).toString('hex');
    const attempt = await post(webhook, { id: eventId, event: TEST_EVENT, at: attemptedAt, data: TEST_DATA });
    const delivery: WebhookDelivery = {
      id: randomBytes(16).toString('hex'),
      webhookId: webhook.id,
      attemptedAt,
      eventId,
      event: TEST_EVENT,
      attempt: 1,
      status: attempt.status,
      reason: attempt.reason,
      tookMs: Math.round(attempt.tookMs),
      nextAt: null,
    };
    await users.ask(async (db) => db.webhookDeliveries.add([delivery]));
    return delivery;
  }

  /** What is wrong with the URL in the body of a request. */
  faultsOf({ url }: { readonly url?: unknown }): FieldError[] {
    const judged = typeof url === 'string' ? parseTargetUrl(url, this.#options.targets) : undefined;
    return judged?.ok === false ? [{ field: 'url', reason: judged.reason }] : [];
  }

  /** @throws Problem 422 */
  #judge(url: string): string {
    const judged = parseTargetUrl(url, this.#options.targets);
    if (!judged.ok) throw invalidFields([{ field: 'url', reason: judged.reason }]);
    return judged.href;
  }

  /** @throws Problem 404 */
  async #get(id: string, userId: bigint): Promise<Webhook> {
    this.#requireId(id);
    const webhook = await this.#options.users.ask(async (db) => db.webhooks.find(id, userId));
    if (webhook === undefined) throw noWebhook();
    return webhook;
  }

  /** @throws Problem 404 */
  #requireId(id: string): void {
    if (!ID.test(id)) throw noWebhook();
  }
}

function noWebhook(): Problem {
  return new Problem('not-found', { detail: 'You have no such webhook.' });
}
