import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import manifest from '../../package.json' with { type: 'json' };
import { PROBLEM_TYPE, PROBLEMS, type ProblemKind } from '../http/problem.ts';
import type { Access } from '../auth/guard.ts';
import type { DeclaredContents } from './content.ts';
import type { Endpoint } from './endpoint.ts';
import { GROUPS } from './groups.ts';
import { problemsOf } from './problems-of.ts';

const JSON_TYPE = 'application/json';

const problem = z
  .object({
    type: z.string().meta({ examples: ['urn:keymill:problem:invalid-request'] }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z
      .array(z.object({ field: z.string(), reason: z.string() }))
      .optional()
      .meta({ description: 'the fields at fault, spelled as in the request; empty for the whole body' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

const REPLAYED = {
  'Idempotency-Replayed': {
    description: '`true`: the answer of an earlier request, given again',
    schema: { type: 'string' },
  },
} as const;
const HEADERS = { 'X-Request-Id': { $ref: '#/components/headers/X-Request-Id' } };

/** The header that makes a request conditional (RFC 9110, 13.1). */
const CONDITIONS = {
  read: z.object({ 'If-None-Match': z.string().optional() }),
  change: z.object({ 'If-Match': z.string().optional() }),
};
/** The headers that ask for a part (RFC 9110, 14.2). */
const RANGE = { Range: z.string().optional(), 'If-Range': z.string().optional() };
/** The header that makes a request repeatable. */
const REPEATABLE = z.object({
  'Idempotency-Key': z.string().min(1).max(255).optional().meta({
    description:
      'printable ASCII characters. The same key and body within 24 hours: the same answer, with `Idempotency-Replayed`',
  }),
});
/** What the 200 of a repeatable request is. */
export const FOUND = 'With `find_if_exists`: the link that an earlier request has made';
/** What a 206 is. */
export const PART = 'The part that `Range` names; several parts are answered with the whole';
const NOT_MODIFIED = 'The state is the one that `If-None-Match` names';

/** What a reader must know before the first request. Markdown. */
const DESCRIPTION = `Short links: make them, and look after your own.

- **Who is asking.** An API key, as \`Authorization: Bearer km_…\`, or the session that \`POST /login\` begins.
  To make a link, and to follow one, neither is needed.
- **Errors** are problem documents (RFC 9457). \`errors\` names each field that is at fault, and why.
- **Lists** come in pages: send \`next_cursor\` as \`cursor\` until it is null.
- **Limits**: \`RateLimit\` says what is left, and a 429 says in \`Retry-After\` when to come back.`;

export interface DocumentOptions {
  /** Origin of this service. */
  readonly publicUrl: string;
  readonly cookieName: string;
}

/** The OpenAPI 3.1 document of the endpoints. */
export function createOpenApi(endpoints: readonly Endpoint[], options: DocumentOptions) {
  const paths: Record<string, ZodOpenApiPathsObject[string]> = {};
  for (const endpoint of endpoints)
    paths[endpoint.path] = {
      ...paths[endpoint.path],
      [endpoint.method.toLowerCase()]: toOperation(endpoint),
    };
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Keymill',
        version: manifest.version,
        description: DESCRIPTION,
        license: { name: 'MIT License', identifier: 'MIT' },
      },
      servers: [{ url: options.publicUrl }],
      tags: Object.entries(GROUPS).map(([name, description]) => ({ name, description })),
      paths,
      components: {
        headers: { 'X-Request-Id': { description: 'of the request, or new', schema: { type: 'string' } } },
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: km_…' },
          session: { type: 'apiKey', in: 'cookie', name: options.cookieName },
        },
      },
    },
    {
      override: ({ jsonSchema }) => {
        // The pattern of a date-time takes a thousand characters, and says no more than the format.
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
      },
    },
  );
}

function toOperation(endpoint: Endpoint): ZodOpenApiOperationObject {
  const {
    name,
    group,
    summary,
    description,
    access,
    params,
    query,
    body,
    bodyTypes,
    conditional,
    hasRanges,
    obeys,
    repeatable,
    finds,
    example,
    status,
    answer,
    answerTypes,
    exampleAnswer,
    means,
  } = endpoint;
  const headers = {
    ...obeys?.shape,
    ...(repeatable !== undefined && REPEATABLE.shape),
    ...(conditional !== undefined && CONDITIONS[conditional].shape),
    ...(hasRanges === true && RANGE),
  };
  const hasHeaders = Object.keys(headers).length > 0;
  const answers = {
    ...(answer !== undefined && {
      [JSON_TYPE]: { schema: answer, ...(exampleAnswer !== undefined && { example: exampleAnswer }) },
    }),
    ...(answerTypes !== undefined && toContents(answerTypes)),
  };
  const content = Object.keys(answers).length > 0 && { content: answers };
  const answerHeaders = repeatable === 'request' ? { ...HEADERS, ...REPLAYED } : HEADERS;
  return {
    operationId: name,
    tags: [group],
    summary,
    ...(description !== undefined && { description }),
    security: securityOf(access),
    ...((params !== undefined || query !== undefined || hasHeaders) && {
      requestParams: {
        ...(params && { path: params }),
        ...(query && { query }),
        ...(hasHeaders && { header: z.object(headers) }),
      },
    }),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { [JSON_TYPE]: { schema: body, ...(example !== undefined && { example }) } },
      },
    }),
    ...(bodyTypes !== undefined && { requestBody: { required: true, content: toContents(bodyTypes) } }),
    responses: {
      ...(repeatable === 'request' && { 200: { description: FOUND, headers: answerHeaders, ...content } }),
      ...(finds !== undefined && { 200: { description: finds, headers: HEADERS, ...content } }),
      [status]: { description: means, headers: answerHeaders, ...content },
      ...(hasRanges === true && { 206: { description: PART, headers: answerHeaders, ...content } }),
      ...(conditional === 'read' && { 304: { description: NOT_MODIFIED, headers: HEADERS } }),
      ...Object.fromEntries(
        [...Map.groupBy(problemsOf(endpoint), (kind) => PROBLEMS[kind].status)].map(([code, kinds]) => [
          code,
          toResponse(kinds),
        ]),
      ),
      default: toResponse([]),
    },
  };
}

/** OpenAPI 3.1 has no word for a sequence: the schema of NDJSON is that of each line. */
function toContents(types: DeclaredContents) {
  return Object.fromEntries(
    Object.entries(types).map(([type, { means, schema, example }]) => [
      type,
      {
        schema: schema ?? { type: 'string' as const, description: means },
        ...(example !== undefined && { example }),
      },
    ]),
  );
}

/** Nobody, or a key with the scope, or a session. */
function securityOf(access: Access): Record<string, string[]>[] {
  if (access === 'anyone') return [];
  const scope = typeof access === 'string' ? access : access.optional;
  return [{ apiKey: [scope] }, { session: [] }, ...(typeof access === 'string' ? [] : [{}])];
}

function toResponse(kinds: readonly ProblemKind[]) {
  const description =
    kinds.length === 0
      ? 'Any other problem: no well-formed HTTP, or a fault of the service'
      : kinds.map((kind) => `\`${kind}\`: ${PROBLEMS[kind].detail}`).join('\n\n');
  return { description, headers: HEADERS, content: { [PROBLEM_TYPE]: { schema: problem } } };
}
