import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { time } from './fields.ts';

const fieldError = z.object({ field: z.string(), reason: z.string() });

const newLinkAnswer = z
  .object({
    short_url: z.string().meta({ format: 'uri' }),
    unique_id: z.string(),
    long_url: z.string(),
    created_at: time,
    expiration_date: time.nullable(),
    warnings: z.array(fieldError).optional(),
  })
  .meta({ id: 'NewLink' });

const textField = z.string({ error: mustBe('a string') });

export const LINK_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/urls',
    name: 'createLink',
    summary: 'Make a link',
    description: 'Without a key or session, the link has no owner.',
    access: { optional: 'links:create' },
    body: z.strictObject({
      long_url: textField.meta({ examples: ['https://example.com/hello'] }),
      custom_alias: textField.nullish(),
      expiration_date: textField.meta({ format: 'date-time' }).nullish(),
    }),
    example: { long_url: 'https://example.com/hello' },
    status: 201,
    answer: newLinkAnswer,
    exampleAnswer: {
      short_url: 'https://go.example/QFXOHkP7',
      unique_id: 'QFXOHkP7',
      long_url: 'https://example.com/hello',
      created_at: '2026-11-28T02:37:42.402Z',
      expiration_date: null,
    },
    means: 'The link, with its short URL also as `Location`',
    problems: ['alias-taken', 'no-keys', 'no-key', 'store-down', 'overloaded'],
    isServedElsewhere: true,
  }),
];
