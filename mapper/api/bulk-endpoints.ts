import { z } from 'zod';
import { MAX_ITEMS, MAX_JSON_BYTES } from '../bulk/read-items.ts';
import { NDJSON, type DeclaredContents } from './content.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { EXPORT_FORMATS } from './export-service.ts';
import { fieldError, HELLO, linkAnswer, longUrl } from './link-fields.ts';

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
    description: `Up to ${MAX_ITEMS.toLocaleString('en-US')} items, each as in \`POST /urls\`. Each has an answer, in their order: \`status\`, and \`link\` or \`problem\`. An item that is at fault spoils no other. NDJSON is answered while it is sent. A connection that breaks off leaves the links that were made until then.`,
    access: 'links:create',
    bodyTypes: bodies,
    status: 200,
    answerTypes: answers,
    means: 'What became of each item',
    problems: ['malformed-json', 'incomplete', 'too-large'],
    handle: async ({ bulk }, { identity, stream }) => bulk.make(identity, stream),
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
    handle: async ({ exports }, { identity, query }) =>
      exports.export(identity, query.format, query.all === 'true'),
  }),
];
