import { z } from 'zod';
import type { ApiKey } from '../../db/accounts/api-keys.ts';
import { SCOPES } from '../auth/scopes.ts';
import { mustBe } from '../http/field-errors.ts';
import { parseExpiration } from '../shorten/expiration.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { text, time } from './fields.ts';

const keyFields = {
  key_id: z.string().meta({ description: 'the public part of the key', examples: ['4fZk9QxT'] }),
  name: z.string(),
  scopes: z.array(z.string()).meta({ examples: [['links:create']] }),
  created_at: time,
  expires_at: time.nullable(),
  last_used_at: time.nullable().meta({ description: 'to the minute' }),
  made_with: z
    .string()
    .nullable()
    .meta({ description: 'the key that made this one; null: a session has', examples: [null] }),
};

const keyAnswer = z.object(keyFields).meta({ id: 'ApiKey' });

const newKeyAnswer = z
  .object({
    ...keyFields,
    secret: z.string().meta({
      description: 'the key itself, shown this once: `Authorization: Bearer <secret>`',
    }),
  })
  .meta({ id: 'NewApiKey' });

function toAnswer(key: ApiKey): z.input<typeof keyAnswer> {
  return {
    key_id: key.id,
    name: key.name,
    scopes: [...key.scopes],
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    made_with: key.madeWith,
  };
}

const BUILD_SERVER: z.input<typeof keyAnswer> = {
  key_id: '4fZk9QxT',
  name: 'build server',
  scopes: ['links:create'],
  created_at: '2026-11-28T02:37:42.402Z',
  expires_at: null,
  last_used_at: null,
  made_with: null,
};

const expiresAt = z
  .string({ error: mustBe('a string') })
  .transform((value, context) => {
    const parsed = parseExpiration(value, Date.now());
    if (parsed.ok) return parsed.at;
    context.addIssue(parsed.reason);
    return z.NEVER;
  })
  .meta({ format: 'date-time', description: 'RFC 3339, in the future; null or absent: never' })
  .nullish();

const scope = z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` });
const scopes = z
  .array(scope, { error: mustBe('a list of scopes') })
  .min(1, { error: 'must name at least one scope' })
  .max(SCOPES.length, { error: 'must name each scope once' })
  .refine((list) => new Set(list).size === list.length, { error: 'must name each scope once' });

export const KEY_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/users/me/keys',
    name: 'listKeys',
    group: 'API keys',
    summary: 'List your API keys, newest first',
    access: 'account',
    status: 200,
    answer: z
      .object({ items: z.array(keyAnswer), next_cursor: z.string().nullable() })
      .meta({ id: 'ApiKeys' }),
    exampleAnswer: { items: [BUILD_SERVER], next_cursor: null },
    means: 'The keys that are not revoked, without their secrets. They are at most 100, so there is one page',
    handle: async ({ accounts }, { identity }) => ({
      body: { items: (await accounts.listKeys(identity)).map(toAnswer), next_cursor: null },
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/users/me/keys',
    name: 'createKey',
    group: 'API keys',
    summary: 'Make an API key',
    description:
      'A key may do no more than the key or session with which it is made. One that is made with a key ends no later than that key, and is revoked with it.',
    access: 'account',
    body: z.strictObject({ name: text({ min: 1, max: 100 }), scopes, expires_at: expiresAt }),
    example: { name: 'build server', scopes: ['links:create'] },
    status: 201,
    answer: newKeyAnswer,
    exampleAnswer: { ...BUILD_SERVER, secret: 'km_4fZk9QxTd0aXbZ7mC2nV8qLw5eR1tY6uI3oP9sGhJ4kAbCd' },
    means: 'The key, with its secret',
    handle: async ({ accounts }, { identity, body }) => {
      const { key, secret } = await accounts.createKey(identity, {
        name: body.name,
        scopes: body.scopes,
        expiresAt: body.expires_at ?? null,
      });
      return { body: { ...toAnswer(key), secret } };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/users/me/keys/{key_id}',
    name: 'revokeKey',
    group: 'API keys',
    summary: 'Revoke an API key',
    description:
      'Within a second no mapper accepts it any more, nor any key that was made with it, directly or not.',
    access: 'account',
    params: z.object({ key_id: z.string() }),
    status: 204,
    means: 'The key is revoked, with those that were made with it',
    problems: ['not-found'],
    handle: async ({ accounts }, { identity, params }) => {
      await accounts.revokeKey(identity, params.key_id);
      return { body: undefined };
    },
  }),
];
