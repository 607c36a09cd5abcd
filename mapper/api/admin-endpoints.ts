import { z } from 'zod';
import type { User } from '../../db/accounts/users.ts';
import { noSuchUser } from '../auth/administration.ts';
import { mustBe } from '../http/field-errors.ts';
import { ANA, toUserAnswer, USER_FIELDS } from './account-endpoints.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { keyFilter, linkKey } from './link-fields.ts';
import { requireKey } from './link-problems.ts';
import { cursor, formatCursor, pageLimit, text, time } from './fields.ts';

const adminUser = z.object({ ...USER_FIELDS, disabled_at: time.nullable() }).meta({ id: 'AdminUser' });

function toAdminUser(user: User): z.input<typeof adminUser> {
  return { ...toUserAnswer(user), disabled_at: user.disabledAt?.toISOString() ?? null };
}

const report = z
  .object({
    report_id: z.string(),
    unique_id: z.string(),
    reason: z.string(),
    created_at: time,
  })
  .meta({ id: 'Report' });

const DISABLED: z.input<typeof adminUser> = { ...ANA, disabled_at: '2026-11-28T02:40:00.000Z' };

const userParams = z.object({ user_id: z.string() });

/** @throws Problem 404 for a text that can be no id */
function parseUserId(value: string): bigint {
  if (!/^\d{1,19}$/.test(value)) throw noSuchUser();
  return BigInt(value);
}

function listOf<T extends z.ZodType>(items: T, id: string) {
  return z.object({ items: z.array(items), next_cursor: z.string().nullable() }).meta({ id });
}

export const ADMIN_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/urls/{key}/report',
    name: 'reportLink',
    group: 'Reports',
    summary: 'Report a link that does harm',
    description: 'Administrators read it. Nothing is stored about who sent it.',
    access: 'anyone',
    limit: 'anonymous',
    params: linkKey,
    body: z.strictObject({ reason: text({ min: 1, max: 1_000 }) }),
    example: { reason: 'It asks for the password of my bank.' },
    status: 202,
    means: 'The report is kept, whether or not there is such a link, unless there are many of this link',
    problems: ['unknown-key', 'no-accounts'],
    handle: async ({ administration }, { params, body }) => {
      requireKey(params.key);
      await administration.report(params.key, body.reason);
      return { body: undefined };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/admin/users',
    name: 'listUsers',
    group: 'Administration',
    summary: 'List all users, newest first',
    access: 'admin',
    query: z.strictObject({
      limit: pageLimit,
      cursor,
      q: text({ max: 254 }).optional().meta({ description: 'how the email address begins' }),
      disabled: z
        .enum(['true', 'false'], { error: 'must be true or false' })
        .optional()
        .meta({ description: 'absent: all users' }),
    }),
    status: 200,
    answer: listOf(adminUser, 'AdminUsers'),
    exampleAnswer: { items: [DISABLED], next_cursor: null },
    means: 'A page of users',
    handle: async ({ administration }, { query }) => {
      const { q: email, disabled, limit, cursor: before } = query;
      const isDisabled = disabled === undefined ? undefined : disabled === 'true';
      const { items, next } = await administration.listUsers({ email, isDisabled }, { limit, before });
      return { body: { items: items.map(toAdminUser), next_cursor: formatCursor(next) } };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/admin/users/{user_id}',
    name: 'getUser',
    group: 'Administration',
    summary: 'Read a user',
    access: 'admin',
    params: userParams,
    status: 200,
    answer: adminUser,
    exampleAnswer: DISABLED,
    means: 'The user',
    problems: ['not-found'],
    handle: async ({ administration }, { params }) => ({
      body: toAdminUser(await administration.getUser(parseUserId(params.user_id))),
    }),
  }),
  endpoint({
    method: 'PATCH',
    path: '/admin/users/{user_id}',
    name: 'changeUser',
    group: 'Administration',
    summary: 'Disable a user, or let him in again',
    description: 'Within a second no mapper accepts his keys and sessions. His links go on.',
    access: 'admin',
    params: userParams,
    body: z.strictObject({ disabled: z.boolean({ error: mustBe('true or false') }) }),
    example: { disabled: true },
    status: 200,
    answer: adminUser,
    exampleAnswer: DISABLED,
    means: 'The user as he is now',
    problems: ['not-found'],
    handle: async ({ administration }, { identity, params, body }) => {
      const user = await administration.setDisabled(identity, parseUserId(params.user_id), body.disabled);
      return { body: toAdminUser(user) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/admin/reports',
    name: 'listReports',
    group: 'Reports',
    summary: 'List what people have reported, newest first',
    access: 'admin',
    query: z.strictObject({
      limit: pageLimit,
      cursor,
      unique_id: keyFilter,
    }),
    status: 200,
    answer: listOf(report, 'Reports'),
    exampleAnswer: {
      items: [
        {
          report_id: '119890573463187456',
          unique_id: 'QFXOHkP7',
          reason: 'It asks for the password of my bank.',
          created_at: '2026-11-28T02:37:42.402Z',
        },
      ],
      next_cursor: null,
    },
    means: 'A page of reports. They are kept for 90 days',
    handle: async ({ administration }, { query }) => {
      const { items, next } = await administration.listReports(query.unique_id, {
        limit: query.limit,
        before: query.cursor,
      });
      return {
        body: {
          items: items.map(({ id, key, reason, createdAt }) => ({
            report_id: String(id),
            unique_id: key,
            reason,
            created_at: createdAt.toISOString(),
          })),
          next_cursor: formatCursor(next),
        },
      };
    },
  }),
];
