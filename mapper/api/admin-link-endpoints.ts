import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { text } from '../http/text-field.ts';
import type { AdminLink } from './admin-links.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { HELLO, instant, keyFilter, linkAnswer, linkKey, pageQuery } from './link-fields.ts';
import { isKnownState } from './link-service.ts';

const adminLink = linkAnswer
  .extend({ user_id: z.string().nullable().meta({ description: 'of the owner; null: the link has none' }) })
  .meta({ id: 'AdminLink' });

const EXAMPLE: AdminLink = { ...HELLO, user_id: '119890573463187456' };
const REASON = 'It imitates a bank.';

const STATES = ['active', 'expired', 'disabled', 'blocked', 'deleted', 'all'] as const;

/** A host or domain, in the spelling of `URL.hostname`. */
const domain = text({ min: 1, max: 253 })
  .transform((value, context) => {
    const name = value.replace(/^\*?\./, '');
    const isOnlyName = !/[\s/?#@\\:]/.test(name.replace(/^\[[\da-f:.]+\]$/i, ''));
    const host = isOnlyName ? URL.parse(`http://${name}/`)?.hostname : undefined;
    if (host !== undefined) return host;
    context.addIssue('must be a host or a domain, such as example.com');
    return z.NEVER;
  })
  .meta({ description: 'the host of the target, or a domain above it', examples: ['example.com'] });

const listQuery = z.strictObject({
  ...pageQuery,
  unique_id: keyFilter,
  owner: text({ min: 1, max: 254 }).optional().meta({ description: 'the id or email address of its owner' }),
  host: domain.optional(),
  q: text({ max: 200 }).optional().meta({ description: 'a part of title, target or key, in any case' }),
  state: z
    .enum(STATES, { error: `must be one of ${STATES.join(', ')}` })
    .default('all')
    .meta({
      description: '`disabled` includes blocked ones; `deleted` those that can be restored; default `all`',
    }),
  from: instant.optional().meta({ description: 'made at this time or later' }),
  to: instant.optional().meta({ description: 'made before this time' }),
});

const blockBody = z
  .strictObject({
    blocked: z.boolean({ error: mustBe('true or false') }),
    reason: text({ min: 1, max: 500 }).nullish().meta({ description: 'its owner sees it' }),
  })
  .superRefine(({ blocked, reason }, context) => {
    const hasReason = reason !== undefined && reason !== null;
    if (blocked === hasReason) return;
    const message = blocked
      ? 'is required to block a link, because its owner sees it'
      : 'must be absent when blocked is false';
    context.addIssue({ code: 'custom', path: ['reason'], message });
  });

export const ADMIN_LINK_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/admin/links',
    name: 'findLinks',
    group: 'Administration',
    summary: 'Find links of everybody',
    description:
      'All parameters together choose the links. Those of one `owner` come newest first, all others in an order of their own: there is no index by time or target, so all rows are read, and a page ends after 200 ms with the links that it has. It may have none, and still a next one.',
    access: 'admin',
    query: listQuery,
    status: 200,
    answer: z
      .object({ items: z.array(adminLink), next_cursor: z.string().nullable() })
      .meta({ id: 'AdminLinks' }),
    exampleAnswer: { items: [EXAMPLE], next_cursor: null },
    means: 'One page of links',
    problems: ['store-down'],
    handle: async ({ adminLinks, administration }, { query }) => {
      const { limit, cursor, unique_id: key, owner, ...choice } = query;
      const userId = owner === undefined ? undefined : await administration.findUserId(owner);
      return { body: await adminLinks.list({ userId, key, ...choice }, { limit, cursor }) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/admin/links/{key}',
    name: 'readLink',
    group: 'Administration',
    summary: 'Read a link of anybody',
    access: 'admin',
    params: linkKey,
    conditional: 'read',
    status: 200,
    answer: adminLink,
    exampleAnswer: EXAMPLE,
    means: 'The link',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ adminLinks }, { identity, params, headers }) => {
      const { body, etag } = await adminLinks.get(identity, params.key);
      if (isKnownState(headers['if-none-match'], etag))
        return { isNotModified: true, headers: { ETag: etag } };
      return { body, headers: { ETag: etag } };
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/admin/links/{key}',
    name: 'blockLink',
    group: 'Administration',
    summary: 'Block a link, or let it be followed again',
    description:
      'A blocked link is answered with 410 `link-blocked`, its owner reads the reason in `blocked`, and cannot change it. A deleted link can be blocked too: its owner might restore it. `blocked: false` gives it back the state that it had. When it is answered, every mapper redirects by the new state; otherwise `warnings` says how long some may lag.',
    access: 'admin',
    params: linkKey,
    body: blockBody,
    conditional: 'change',
    example: { blocked: true, reason: REASON },
    status: 200,
    answer: adminLink,
    exampleAnswer: { ...EXAMPLE, blocked: REASON, updated_at: '2026-11-28T02:38:10.015Z', version: 2 },
    means: 'The link as it is now',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ adminLinks }, { identity, params, body, headers }) => {
      const { body: link, etag } = await adminLinks.setBlocked(identity, params.key, {
        reason: body.reason ?? null,
        ifMatch: headers['if-match'],
      });
      return { body: link, headers: { ETag: etag } };
    },
  }),
];
