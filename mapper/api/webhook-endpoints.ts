import { z } from 'zod';
import type { DeliveryPosition, WebhookDelivery } from '../../db/accounts/webhook-deliveries.ts';
import type { Webhook } from '../../db/accounts/webhooks.ts';
import { EVENTS } from '../../db/outbox/outbox.ts';
import { mustBe } from '../http/field-errors.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { pageLimit, time } from './fields.ts';

const SECRET = 'whsec_pyXJpGe3QzP5Zt0rvkM1wLrH2sUu8kDqYb7cNfTgXhA=';

const webhookFields = {
  webhook_id: z.string().meta({ examples: ['4f6b1c0e9a7d4e2f8b3a5c6d7e8f9a0b'] }),
  url: z.string(),
  events: z.array(z.string()).meta({ examples: [['link.created', 'link.updated']] }),
  created_at: time,
  failing_since: time
    .nullable()
    .meta({ description: 'no delivery has succeeded since then; null: it works' }),
  disabled_at: time.nullable().meta({ description: 'null: it is on' }),
  disabled_reason: z.string().nullable(),
  previous_secret_until: time
    .nullable()
    .meta({ description: 'until then secrets that were replaced less than a day ago sign too' }),
};

const webhookAnswer = z.object(webhookFields).meta({ id: 'Webhook' });

const secretAnswer = z
  .object({
    ...webhookFields,
    secret: z.string().meta({ description: 'shown this once; it signs as Standard Webhooks says' }),
  })
  .meta({ id: 'WebhookWithSecret' });

const deliveryAnswer = z
  .object({
    event_id: z.string().meta({ description: 'the header `webhook-id` of every attempt' }),
    event: z.string(),
    attempt: z.int(),
    attempted_at: time,
    status: z.int().nullable().meta({ description: 'of the answer; null: none came' }),
    reason: z.string().nullable().meta({ description: 'why it failed; null: it was delivered' }),
    took_ms: z.int(),
    next_at: time.nullable().meta({ description: 'when it is tried again; null: never' }),
  })
  .meta({ id: 'WebhookDelivery' });

const BUILD_HOOK: z.input<typeof webhookAnswer> = {
  webhook_id: '4f6b1c0e9a7d4e2f8b3a5c6d7e8f9a0b',
  url: 'https://hooks.example/keymill',
  events: ['link.created', 'link.updated'],
  created_at: '2026-11-28T02:37:42.402Z',
  failing_since: null,
  disabled_at: null,
  disabled_reason: null,
  previous_secret_until: null,
};

const TEST_DELIVERY: z.input<typeof deliveryAnswer> = {
  event_id: 'msg_0c2d4e6f8a1b3c5d7e9f0a2b4c6d8e0f',
  event: 'webhook.test',
  attempt: 1,
  attempted_at: '2026-11-28T02:37:42.402Z',
  status: 204,
  reason: null,
  took_ms: 38,
  next_at: null,
};

const url = z
  .string({ error: mustBe('a string') })
  .meta({ format: 'uri', description: 'http or https; a private address is refused, also behind a name' });

const event = z.enum(EVENTS, { error: `must be one of ${EVENTS.join(', ')}` });
const events = z
  .array(event, { error: mustBe('a list of events') })
  .min(1, { error: 'must name at least one event' })
  .max(EVENTS.length, { error: 'must name each event once' })
  .refine((list) => new Set(list).size === list.length, { error: 'must name each event once' })
  .optional()
  .meta({ description: 'absent: all, or those it has' });

const params = z.object({ webhook_id: z.string() });

/** The end of the year 9999. MySQL knows no later time. */
const MAX_TIME_MS = 253_402_300_799_999;

/** Where a page of deliveries begins. */
const before = z
  .string()
  .transform((value, context): DeliveryPosition => {
    const text = Buffer.from(value, 'base64url').toString('latin1');
    const [, atMs, id] = /^(\d{1,15})\.([0-9a-f]{32})$/.exec(text) ?? [];
    const position = { attemptedAt: new Date(Number(atMs)), id: id ?? '' };
    const isTime = Number(atMs) <= MAX_TIME_MS;
    if (isTime && id !== undefined && formatPosition(position) === value) return position;
    context.addIssue('must be the next_cursor of another page');
    return z.NEVER;
  })
  .optional()
  .meta({ description: 'the `next_cursor` of the page before' });

function formatPosition({ attemptedAt, id }: DeliveryPosition): string {
  return Buffer.from(`${attemptedAt.getTime()}.${id}`, 'latin1').toString('base64url');
}

function toAnswer(webhook: Webhook): z.input<typeof webhookAnswer> {
  const previousUntilMs = Math.max(0, ...webhook.previousSecrets.map(({ until }) => until.getTime()));
  return {
    webhook_id: webhook.id,
    url: webhook.url,
    events: [...webhook.events],
    created_at: webhook.createdAt.toISOString(),
    failing_since: webhook.failingSince?.toISOString() ?? null,
    disabled_at: webhook.disabledAt?.toISOString() ?? null,
    disabled_reason: webhook.disabledReason,
    previous_secret_until: previousUntilMs > Date.now() ? new Date(previousUntilMs).toISOString() : null,
  };
}

function toDelivery(delivery: WebhookDelivery): z.input<typeof deliveryAnswer> {
  return {
    event_id: `msg_${delivery.eventId}`,
    event: delivery.event,
    attempt: delivery.attempt,
    attempted_at: delivery.attemptedAt.toISOString(),
    status: delivery.status,
    reason: delivery.reason,
    took_ms: delivery.tookMs,
    next_at: delivery.nextAt?.toISOString() ?? null,
  };
}

const faultsOf: Endpoint['faultsOf'] = ({ webhooks }, { body }) => webhooks.faultsOf(Object(body) as object);

export const WEBHOOK_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/users/me/webhooks',
    name: 'listWebhooks',
    group: 'Webhooks',
    summary: 'List your webhooks, newest first',
    access: 'account',
    status: 200,
    answer: z
      .object({ items: z.array(webhookAnswer), next_cursor: z.string().nullable() })
      .meta({ id: 'Webhooks' }),
    exampleAnswer: { items: [BUILD_HOOK], next_cursor: null },
    means: 'Your webhooks, without their secrets. They are at most 20, so there is one page',
    handle: async ({ webhooks }, { identity }) => ({
      body: { items: (await webhooks.list(identity.userId)).map(toAnswer), next_cursor: null },
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/users/me/webhooks',
    name: 'createWebhook',
    group: 'Webhooks',
    summary: 'Make a webhook',
    description:
      'Within a second, all events of your links are sent to it by POST, at least once each, in no certain order; the `version` of the link says which is newer. See docs/webhooks.md.',
    access: 'account',
    body: z.strictObject({ url, events }),
    faultsOf,
    example: { url: 'https://hooks.example/keymill', events: ['link.created', 'link.updated'] },
    status: 201,
    answer: secretAnswer,
    exampleAnswer: { ...BUILD_HOOK, secret: SECRET },
    means: 'The webhook, with its secret',
    handle: async ({ webhooks }, { identity, body }) => {
      const wanted = { url: body.url, events: body.events ?? EVENTS };
      const { webhook, secret } = await webhooks.create(identity.userId, wanted);
      return { body: { ...toAnswer(webhook), secret } };
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/users/me/webhooks/{webhook_id}',
    name: 'changeWebhook',
    group: 'Webhooks',
    summary: 'Change a webhook, or switch it off or on',
    description:
      'One that was switched off, by you or because every delivery had failed for a day, goes on with the events from now on.',
    access: 'account',
    params,
    body: z.strictObject({
      url: url.optional(),
      events,
      disabled: z.boolean({ error: mustBe('true or false') }).optional(),
    }),
    faultsOf,
    example: { events: ['link.deleted'], disabled: false },
    status: 200,
    answer: webhookAnswer,
    exampleAnswer: BUILD_HOOK,
    means: 'The webhook',
    problems: ['not-found'],
    handle: async ({ webhooks }, { identity, params: { webhook_id: id }, body }) => ({
      body: toAnswer(await webhooks.change(identity.userId, id, body)),
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/users/me/webhooks/{webhook_id}/secret',
    name: 'rotateWebhookSecret',
    group: 'Webhooks',
    summary: 'Make a new secret for a webhook',
    description:
      'For a day, every message is signed with the new secret and with the one before; if that is repeated within a day, with the last eight before.',
    access: 'account',
    params,
    status: 200,
    answer: secretAnswer,
    exampleAnswer: { ...BUILD_HOOK, previous_secret_until: '2026-11-29T02:37:42.402Z', secret: SECRET },
    means: 'The webhook, with its new secret',
    problems: ['not-found'],
    handle: async ({ webhooks }, { identity, params: { webhook_id: id } }) => {
      const { webhook, secret } = await webhooks.rotate(identity.userId, id);
      return { body: { ...toAnswer(webhook), secret } };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/users/me/webhooks/{webhook_id}/test',
    name: 'testWebhook',
    group: 'Webhooks',
    summary: 'Send a test event to a webhook, and see what becomes of it',
    description:
      'The event is `webhook.test`. It is sent once, also to a webhook that is off. The answer comes when that attempt has ended, after 10 s at most.',
    access: 'account',
    params,
    status: 200,
    answer: deliveryAnswer,
    exampleAnswer: TEST_DELIVERY,
    means: 'What became of it',
    problems: ['not-found'],
    handle: async ({ webhooks }, { identity, params: { webhook_id: id } }) => ({
      body: toDelivery(await webhooks.test(identity.userId, id)),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/users/me/webhooks/{webhook_id}/deliveries',
    name: 'listWebhookDeliveries',
    group: 'Webhooks',
    summary: 'List the last deliveries to a webhook, newest first',
    access: 'account',
    params,
    query: z.strictObject({ limit: pageLimit, cursor: before }),
    status: 200,
    answer: z
      .object({ items: z.array(deliveryAnswer), next_cursor: z.string().nullable() })
      .meta({ id: 'WebhookDeliveries' }),
    exampleAnswer: { items: [TEST_DELIVERY], next_cursor: null },
    means: 'One page of attempts. The newest 1,000 of the last 30 days are kept',
    problems: ['not-found'],
    handle: async ({ webhooks }, { identity, params: { webhook_id: id }, query: { limit, cursor } }) => {
      // One more tells whether there is another page.
      const found = await webhooks.deliveries(identity.userId, id, { before: cursor, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        body: {
          items: page.map(toDelivery),
          next_cursor: last === undefined ? null : formatPosition(last),
        },
      };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/users/me/webhooks/{webhook_id}',
    name: 'deleteWebhook',
    group: 'Webhooks',
    summary: 'Delete a webhook, with the record of its deliveries',
    access: 'account',
    params,
    status: 204,
    means: 'The webhook is deleted. What was on its way is dropped',
    problems: ['not-found'],
    handle: async ({ webhooks }, { identity, params: { webhook_id: id } }) => {
      await webhooks.remove(identity.userId, id);
      return { body: undefined };
    },
  }),
];
