import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { tag, tags, title } from '../shorten/own-fields.ts';
import { ruleFields } from '../shorten/rule-fields.ts';
import { text } from '../http/text-field.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { lagHeader } from './link-answers.ts';
import { HELLO, instant, linkAnswer, linkKey, longUrl, newLinkAnswer, pageQuery } from './link-fields.ts';
import { patchBody, toPatch } from './link-patch.ts';
import { isKnownState } from './link-service.ts';

const textField = z.string({ error: mustBe('a string') });

const STATES = ['active', 'expired', 'disabled', 'deleted', 'all'] as const;

const listQuery = z.strictObject({
  ...pageQuery,
  q: text({ max: 200 }).optional().meta({ description: 'a part of title, target or key, in any case' }),
  tag: tag.optional(),
  state: z
    .enum(STATES, { error: `must be one of ${STATES.join(', ')}` })
    .default('active')
    .meta({ description: '`disabled` includes blocked ones; `deleted` those that can be restored' }),
  from: instant.optional().meta({ description: 'made at this time or later' }),
  to: instant.optional().meta({ description: 'made before this time' }),
});

export const LINK_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/urls',
    name: 'createLink',
    group: 'Links',
    summary: 'Make a link',
    description:
      'Without a key or session, the link has no owner. With one, it may have `title` and `tags`. A request with any field beyond `long_url`, `custom_alias` and `expiration_date` is answered with the whole link, as `GET /urls/{key}` does.',
    access: { optional: 'links:create' },
    body: z.strictObject({
      long_url: longUrl,
      custom_alias: textField.nullish(),
      expiration_date: textField.meta({ format: 'date-time' }).nullish(),
      title: title.nullish(),
      tags: tags.nullish(),
      find_if_exists: z
        .boolean({ error: mustBe('true or false') })
        .nullish()
        .meta({
          description: 'true: a link with the same fields that there is already is the answer, with 200',
        }),
      ...ruleFields(longUrl),
    }),
    repeatable: 'request',
    example: { long_url: 'https://example.com/hello' },
    status: 201,
    answer: z.union([linkAnswer, newLinkAnswer]),
    exampleAnswer: {
      short_url: 'https://go.example/QFXOHkP7',
      unique_id: 'QFXOHkP7',
      long_url: 'https://example.com/hello',
      created_at: '2026-11-28T02:37:42.402Z',
      expiration_date: null,
    },
    means: 'The link, with its short URL also as `Location`',
    problems: ['alias-taken', 'idempotency-key-reused', 'no-keys', 'no-key', 'store-down', 'overloaded'],
    isServedElsewhere: true,
  }),
  endpoint({
    method: 'GET',
    path: '/urls',
    name: 'listLinks',
    group: 'Links',
    summary: 'List your links, newest first',
    description:
      'Pages give each link exactly once, also while links are made and deleted. A page may have fewer links than `limit`, or none, and still a next one.',
    access: 'links:read',
    query: listQuery,
    status: 200,
    answer: z
      .object({ items: z.array(linkAnswer), next_cursor: z.string().nullable() })
      .meta({ id: 'Links' }),
    exampleAnswer: { items: [HELLO], next_cursor: null },
    means: 'One page of links',
    problems: ['store-down'],
    handle: async ({ links }, { identity, query }) => ({ body: await links.list(identity, query) }),
  }),
  endpoint({
    method: 'GET',
    path: '/urls/{key}',
    name: 'getLink',
    group: 'Links',
    summary: 'Read one of your links',
    description:
      'The link of another user is answered like one that does not exist. The `ETag` is over all but `clicks` and `visits_left`.',
    access: 'links:read',
    params: linkKey,
    conditional: 'read',
    status: 200,
    answer: linkAnswer,
    exampleAnswer: HELLO,
    means: 'The link',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ links }, { identity, params, headers }) => {
      const { body, etag } = await links.get(identity, params.key);
      if (isKnownState(headers['if-none-match'], etag))
        return { isNotModified: true, headers: { ETag: etag } };
      return { body, headers: { ETag: etag } };
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/urls/{key}',
    name: 'changeLink',
    group: 'Links',
    summary: 'Change one of your links',
    description:
      'A field that is absent stays; null clears it. When it is answered, every mapper redirects by the new state; otherwise `warnings` says how long some may lag.',
    access: 'links:write',
    params: linkKey,
    body: patchBody,
    faultsOf: ({ links }, { body }) => links.faultsOf(body),
    conditional: 'change',
    example: { title: 'Hello, world', tags: ['greetings'] },
    status: 200,
    answer: linkAnswer,
    exampleAnswer: { ...HELLO, title: 'Hello, world', updated_at: '2026-11-28T02:38:10.015Z', version: 2 },
    means: 'The link as it is now',
    problems: ['change-blocked', 'unknown-key', 'link-deleted', 'store-down', 'overloaded'],
    handle: async ({ links }, { identity, params, body, headers }) => {
      const { body: link, etag } = await links.change(
        identity,
        params.key,
        toPatch(body),
        headers['if-match'],
      );
      return { body: link, headers: { ETag: etag } };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/urls/{key}',
    name: 'deleteLink',
    group: 'Links',
    summary: 'Delete one of your links',
    description:
      'It can be restored for 30 days. Its key is never given to another link. `X-Others-May-Lag` is there only when some mappers have not heard of it: seconds for which they may still follow the link.',
    access: 'links:write',
    params: linkKey,
    conditional: 'change',
    status: 204,
    means: 'The link is deleted, now or before',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ links }, { identity, params, headers }) => ({
      body: undefined,
      ...lagHeader(await links.remove(identity, params.key, headers['if-match'])),
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/urls/{key}/restore',
    name: 'restoreLink',
    group: 'Links',
    summary: 'Restore one of your deleted links',
    description: 'Within 30 days. `X-Others-May-Lag`: as for the deletion.',
    access: 'links:write',
    params: linkKey,
    conditional: 'change',
    status: 204,
    means: 'The link is not deleted',
    problems: ['unknown-key', 'store-down'],
    handle: async ({ links }, { identity, params, headers }) => ({
      body: undefined,
      ...lagHeader(await links.restore(identity, params.key, headers['if-match'])),
    }),
  }),
];
