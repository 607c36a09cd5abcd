import { z } from 'zod';
import { FORMAT_NAMES } from '../import/formats/format.ts';
import { isTimezone } from '../import/read-time.ts';
import type { JobOptions } from '../import-jobs/job.ts';
import { NDJSON, type DeclaredContents } from './content.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { pageLimit } from './fields.ts';

const FORMATS = ['auto', ...FORMAT_NAMES] as const;
const ON_CONFLICT = ['skip', 'overwrite', 'error'] as const;
const DATE_ORDERS = ['day-first', 'month-first'] as const;
const MAX_DOMAIN_CHARACTERS = 253;

function choiceOf<const Values extends readonly string[]>(values: Values) {
  return z.enum(values, { error: `must be one of ${values.join(', ')}` });
}

const flag = choiceOf(['true', 'false']).default('false');

const importQuery = z.strictObject({
  from: choiceOf(FORMATS).default('auto').meta({ description: 'what wrote the file' }),
  on_conflict: choiceOf(ON_CONFLICT).default('skip').meta({
    description: 'a code that is taken: leave the record out, change your link, or store nothing',
  }),
  dry_run: flag.meta({ description: 'only read, and say what would be taken' }),
  timezone: z
    .string()
    .refine(isTimezone, { error: 'must be a time zone of IANA, such as Europe/Berlin' })
    .optional()
    .meta({ description: 'of times that name none' }),
  date_order: choiceOf(DATE_ORDERS).optional().meta({ description: 'of dates such as 12/11/2024' }),
  domain: z
    .string()
    .max(MAX_DOMAIN_CHARACTERS, { error: `must not exceed ${MAX_DOMAIN_CHARACTERS} characters` })
    .optional()
    .meta({ description: 'take the links of this domain only' }),
  rename: flag.meta({ description: 'give links whose code cannot be kept a key of ours' }),
});

function toOptions(query: z.output<typeof importQuery>): JobOptions {
  return {
    from: query.from,
    timezone: query.timezone,
    dateOrder: query.date_order,
    domain: query.domain,
    isRenaming: query.rename === 'true',
    onConflict: query.on_conflict,
    isDryRun: query.dry_run === 'true',
  };
}

const importAnswer = z
  .object({
    id: z.string(),
    state: z.enum(['uploading', 'waiting', 'running', 'done', 'failed']),
    created_at: z.string(),
    finished_at: z.string().nullable(),
    bytes: z.number(),
    from: z.string(),
    on_conflict: z.enum(ON_CONFLICT),
    dry_run: z.boolean(),
    records: z.int().nullable().meta({ description: 'of the file; null until it was read' }),
    done: z.int().meta({ description: 'records that were read, or stored' }),
    stored: z.int().meta({ description: 'links' }),
    overwritten: z.int(),
    refused: z
      .record(z.string(), z.int())
      .meta({ description: 'how many records were not taken, by reason' }),
    notes: z.array(z.string()),
    reason: z.string().nullable().meta({ description: 'why it failed, or waits' }),
    has_report: z.boolean().meta({ description: 'whether its report is kept' }),
  })
  .meta({ id: 'Import' });

const EXAMPLE = {
  id: '5b0f8a1f3c9de0c1a0b4c2d1e3f40516',
  state: 'waiting',
  created_at: '2026-11-28T12:00:00.000Z',
  finished_at: null,
  bytes: 68,
  from: 'auto',
  on_conflict: 'skip',
  dry_run: false,
  records: null,
  done: 0,
  stored: 0,
  overwritten: 0,
  refused: {},
  notes: [],
  reason: null,
  has_report: true,
} as const;

const FILE = { means: 'a file of links, of at most 1 GiB' };
const TABLE = 'long_url,unique_id,title\nhttps://example.com/hello,hello-1,Hello\n';

const bodies = {
  'text/csv': { ...FILE, example: TABLE },
  'application/json': FILE,
  [NDJSON]: FILE,
  'text/html': FILE,
  'application/octet-stream': FILE,
} satisfies DeclaredContents;

const params = z.object({ import_id: z.string() });

/** The import before which a page begins: when it was made, and its id. */
const cursor = z
  .string()
  .transform((value, context) => {
    const [, ms = '', id = ''] = /^(\d{1,15})\.([0-9a-f]{32})$/.exec(decode(value)) ?? [];
    const before = { createdAt: new Date(Number(ms)), id };
    if (id !== '' && formatPlace(before) === value) return before;
    context.addIssue('must be the next_cursor of another page');
    return z.NEVER;
  })
  .optional()
  .meta({ description: 'the `next_cursor` of the page before' });

function decode(value: string): string {
  return Buffer.from(value, 'base64url').toString('latin1');
}

function formatPlace({ createdAt, id }: { readonly createdAt: Date; readonly id: string }): string {
  return Buffer.from(`${createdAt.getTime()}.${id}`, 'latin1').toString('base64url');
}

export const IMPORT_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/import',
    name: 'importLinks',
    group: 'Imports',
    summary: 'Import a file of links, of another shortener or of our own export',
    description:
      'The type of the body does not matter: `from` says what it is, or the file itself. The links become yours. The answer comes when the whole file is here; then some mapper stores its links, also when others end. A file that is sent again makes no link twice. [Import](import.md) says what is taken.',
    access: 'links:write',
    query: importQuery,
    bodyTypes: bodies,
    status: 202,
    answer: importAnswer,
    exampleAnswer: { ...EXAMPLE, refused: {}, notes: [] },
    means: 'The import, which has not begun yet',
    problems: ['incomplete', 'too-large', 'overloaded'],
    handle: async ({ imports }, { identity, query, stream }) => ({
      body: await imports.upload(identity, toOptions(query), stream),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/import',
    name: 'listImports',
    group: 'Imports',
    summary: 'List your imports, newest first',
    description: 'They are kept for 90 days, or as long as KEYMILL_KEEP_IMPORTS_DAYS says.',
    access: 'links:read',
    query: z.strictObject({
      limit: pageLimit,
      cursor,
      state: choiceOf(['open', 'over'])
        .optional()
        .meta({ description: 'those that are done or have failed, or those that are not; absent: all' }),
    }),
    status: 200,
    answer: z
      .object({ items: z.array(importAnswer), next_cursor: z.string().nullable() })
      .meta({ id: 'Imports' }),
    exampleAnswer: { items: [{ ...EXAMPLE, refused: {}, notes: [] }], next_cursor: null },
    means: 'A page of imports',
    handle: async ({ imports }, { identity, query: { limit, cursor: before, state } }) => {
      const isOver = state === undefined ? undefined : state === 'over';
      const { items, next } = await imports.list(identity, { isOver, before, limit });
      return { body: { items, next_cursor: next === undefined ? null : formatPlace(next) } };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/import/{import_id}',
    name: 'getImport',
    group: 'Imports',
    summary: 'How far an import is',
    access: 'links:read',
    params,
    status: 200,
    answer: importAnswer,
    exampleAnswer: { ...EXAMPLE, refused: {}, notes: [] },
    means: 'The import',
    problems: ['not-found'],
    handle: async ({ imports }, { identity, params: { import_id: id } }) => ({
      body: await imports.get(identity, id),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/import/{import_id}/report',
    name: 'getImportReport',
    group: 'Imports',
    summary: 'What has become of each record of an import so far',
    description:
      'One JSON object in each line, in the order of the file: a link with its `unique_id`, or the reason why there is none. It is there for a week.',
    access: 'links:read',
    params,
    status: 200,
    answerTypes: {
      [NDJSON]: {
        means: 'a record in each line',
        schema: z.looseObject({ line: z.int(), row: z.int().nullable() }).meta({ id: 'ImportedRecord' }),
      },
    },
    means: 'The records',
    problems: ['not-found', 'overloaded'],
    handle: async ({ imports }, { identity, params: { import_id: id } }) => imports.report(identity, id),
  }),
  endpoint({
    method: 'DELETE',
    path: '/import/{import_id}',
    name: 'removeImport',
    group: 'Imports',
    summary: 'Remove an import that is over, with its report',
    description:
      'The links stay. What was stored is remembered, so the same file still makes no link twice. An import that is not over is left as it is (409).',
    access: 'links:write',
    params,
    status: 204,
    means: 'It is removed',
    problems: ['not-found', 'import-not-over'],
    handle: async ({ imports }, { identity, params: { import_id: id } }) => {
      await imports.remove(identity, id);
      return { body: undefined };
    },
  }),
];
