import { z } from 'zod';
import { groupDigits } from '../../runtime/grouped-digits.ts';
import { MAX_BULK_MS, MAX_ITEMS, MAX_JSON_BYTES } from '../bulk/read-items.ts';
import { mustBe } from '../http/field-errors.ts';
import { MAX_CHANGES } from './bulk-changes.ts';
import { NDJSON, type DeclaredContents } from './content.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { EXPORT_FORMATS } from './export-service.ts';
import { fieldError, HELLO, linkAnswer, longUrl } from './link-fields.ts';
import { patchBody, toPatch } from './link-patch.ts';

/** A problem document that stands for one item. */
export const itemProblem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(fieldError).optional(),
});

/** The fields are those of `POST /urls`. They are checked one by one, so that one item spoils no other. */
const newLink = z.looseObject({ long_url: longUrl }).meta({ description: 'a body of `POST /urls`' });

const madeItem = z
  .object({
    index: z.int().meta({ description: 'of the item in the request, from 0' }),
    status: z.int().meta({ description: 'that its own request would have had' }),
    link: linkAnswer.optional(),
    problem: itemProblem.optional(),
  })
  .meta({ id: 'BulkItem' });

const NEW_LINKS = [{ long_url: 'https://example.com/hello', title: 'Hello', tags: ['greetings'] }];
const MADE = { index: 0, status: 201, link: HELLO };

const changedItem = z
  .object({
    index: z.int().meta({ description: 'of the link in the request, from 0' }),
    unique_id: z.string(),
    status: z.int().meta({ description: 'that its own request would have had' }),
    link: linkAnswer.optional(),
    problem: itemProblem.optional(),
    warnings: z.array(fieldError).optional(),
  })
  .meta({ id: 'ChangedItem' });

const uniqueIds = z
  .array(z.string({ error: mustBe('a string') }), { error: mustBe('a list of keys') })
  .min(1, { error: 'must not be empty' })
  .max(MAX_CHANGES, { error: `must not have more than ${MAX_CHANGES} keys` })
  .meta({ description: `keys of links, at most ${groupDigits(MAX_CHANGES)}` });

/** 1,000 keys that have the greatest length. */
const MAX_KEYS_BYTES = 512 * 1024;

const bodies = {
  'application/json': {
    means: `at most ${MAX_JSON_BYTES / 1024 / 1024} MiB`,
    schema: z.object({ items: z.array(newLink).max(MAX_ITEMS) }),
    example: { items: NEW_LINKS },
  },
  [NDJSON]: { means: 'a stream with one item in each line', schema: newLink },
} satisfies DeclaredContents;

const answers = {
  'application/json': {
    means: 'for JSON',
    schema: z.object({ items: z.array(madeItem) }).meta({ id: 'Bulk' }),
    example: { items: [MADE] },
  },
  [NDJSON]: { means: 'for NDJSON, in each line what became of one item', schema: madeItem },
} satisfies DeclaredContents;

export const BULK_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/urls/bulk',
    name: 'createLinks',
    group: 'Links',
    summary: 'Make many links',
    description: `Up to ${groupDigits(MAX_ITEMS)} items, each as in \`POST /urls\`. Each has an answer, in their order: \`status\`, and \`link\` or \`problem\`. An item that is at fault spoils no other. NDJSON is answered while it is sent. A connection that breaks off leaves the links that were made until then.`,
    access: 'links:create',
    bodyTypes: bodies,
    maxBodyMs: MAX_BULK_MS,
    status: 200,
    answerTypes: answers,
    means: 'What became of each item',
    problems: ['malformed-json', 'incomplete', 'too-large'],
    repeatable: 'items',
    handle: async ({ bulk }, { stream, ...sender }) => bulk.make(sender, stream),
  }),
  endpoint({
    method: 'PATCH',
    path: '/urls/bulk',
    name: 'changeLinks',
    group: 'Links',
    summary: 'Change many of your links in the same way',
    description:
      'Each link is changed by itself, like with `PATCH /urls/{key}`, and has an answer: `status`, and `link` or `problem`. A key that is named twice is changed once.',
    access: 'links:write',
    body: z.strictObject({
      unique_ids: uniqueIds,
      set: patchBody.meta({ description: 'a body of `PATCH /urls/{key}`' }),
    }),
    faultsOf: ({ links }, { body }) =>
      links
        .faultsOf((body as { set?: unknown }).set)
        .map(({ field, reason }) => ({ field: `set.${field}`, reason })),
    maxBodyBytes: MAX_KEYS_BYTES,
    example: { unique_ids: ['QFXOHkP7'], set: { tags: ['greetings'] } },
    status: 200,
    answer: z.object({ items: z.array(changedItem) }).meta({ id: 'ChangedLinks' }),
    exampleAnswer: { items: [{ index: 0, unique_id: 'QFXOHkP7', status: 200, link: HELLO }] },
    means: 'What became of each link',
    problems: ['overloaded'],
    handle: async ({ bulkChanges }, { identifyAgain, body }) => ({
      body: { items: await bulkChanges.change(identifyAgain, body.unique_ids, toPatch(body.set)) },
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/urls/bulk/delete',
    name: 'deleteLinks',
    group: 'Links',
    summary: 'Delete many of your links',
    description:
      'Each like with `DELETE /urls/{key}`, with an answer for each: `status`, and `problem` if it is not deleted. They can be restored one by one.',
    access: 'links:write',
    body: z.strictObject({ unique_ids: uniqueIds }),
    maxBodyBytes: MAX_KEYS_BYTES,
    example: { unique_ids: ['QFXOHkP7'] },
    status: 200,
    answer: z.object({ items: z.array(changedItem) }).meta({ id: 'DeletedLinks' }),
    exampleAnswer: { items: [{ index: 0, unique_id: 'QFXOHkP7', status: 204 }] },
    means: 'What became of each link',
    handle: async ({ bulkChanges }, { identifyAgain, body }) => ({
      body: { items: await bulkChanges.remove(identifyAgain, body.unique_ids) },
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/urls/export',
    name: 'exportLinks',
    group: 'Links',
    summary: 'Export your links',
    description:
      'All but deleted ones, from the newest to the oldest, as a file that `keymill import` reads. Links that are made meanwhile are not in it. A file that breaks off, without the end of its transfer, is not whole: ask for it again.',
    access: 'links:read',
    query: z.strictObject({
      format: z.enum(EXPORT_FORMATS, { error: `must be ${EXPORT_FORMATS.join(' or ')}` }).default('ndjson'),
      all: z
        .enum(['true', 'false'], { error: 'must be true or false' })
        .default('false')
        .meta({ description: 'the links of everybody, which needs `admin`' }),
    }),
    status: 200,
    answerTypes: {
      [NDJSON]: { means: 'a link in each line', schema: linkAnswer },
      'text/csv': { means: 'RFC 4180, with a header' },
    },
    means: 'The links',
    problems: ['store-down'],
    handle: async ({ exports }, { query, ...sender }) =>
      exports.export(sender, query.format, query.all === 'true'),
  }),
];
