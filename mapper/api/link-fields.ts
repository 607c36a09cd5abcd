import { z } from 'zod';
import { findStoredKey } from '../../db/keyspace/foreign-code.ts';
import { mustBe } from '../http/field-errors.ts';
import { parseExpiration, parseInstant } from '../shorten/expiration.ts';
import { timeField } from '../shorten/time-field.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { pageLimit, time } from './fields.ts';

/* The fields of links in requests and answers. */

export const fieldError = z.object({ field: z.string(), reason: z.string() });

/** What `POST /urls` answers when the request names no field of own links. */
export const newLinkAnswer = z
  .object({
    short_url: z.string().meta({ format: 'uri' }),
    unique_id: z.string(),
    long_url: z.string(),
    created_at: time,
    expiration_date: time.nullable(),
    warnings: z.array(fieldError).optional(),
  })
  .meta({ id: 'NewLink' });

export const linkAnswer = z
  .object({
    unique_id: z.string(),
    short_url: z.string().meta({ format: 'uri' }),
    long_url: z.string(),
    created_at: time,
    updated_at: time,
    expiration_date: time.nullable(),
    valid_from: time.nullable(),
    title: z.string().nullable(),
    tags: z.array(z.string()),
    redirect_type: z.int(),
    forward_query: z.boolean(),
    max_visits: z.int().nullable(),
    visits_left: z.int().nullable(),
    has_password: z.boolean(),
    expired_url: z.string().nullable().meta({ description: 'where it leads when it has expired' }),
    noindex: z.boolean(),
    targets: z
      .array(
        z.object({
          when: z.object({
            device: z.array(z.string()).optional(),
            country: z.array(z.string()).optional(),
            language: z.array(z.string()).optional(),
          }),
          long_url: z.string(),
        }),
      )
      .meta({ description: 'where it leads some visitors: the first that fits' }),
    image: z
      .object({
        type: z.string(),
        width: z.int(),
        height: z.int(),
        bytes: z.int(),
        image_url: z.string().meta({ format: 'uri' }),
      })
      .nullable()
      .meta({ description: 'null: it is no image' }),
    disabled: z.boolean(),
    blocked: z.string().nullable().meta({ description: 'why an administrator has switched it off' }),
    deleted_at: time.nullable(),
    clicks: z.object({ total: z.int(), humans: z.int(), bots: z.int() }),
    version: z.int().meta({ description: '1 for a new link; each change adds 1' }),
    warnings: z
      .array(fieldError)
      .optional()
      .meta({ description: 'only when there is something to say; the request has succeeded nevertheless' }),
  })
  .meta({ id: 'Link' });

/**
 * The key of a link as a segment of a path. A code of another shortener may contain slashes and other
 * characters, so it is encoded once more: `team%2Fplan`. It is spelled here as in the database.
 */
export const linkKey = z.object({
  key: z
    .string()
    .transform((text) => findStoredKey(text) ?? text)
    .meta({ examples: ['QFXOHkP7'] }),
});

/** The key of the links or reports to find. Stored keys are ASCII, so any other text is a mistake. */
export const keyFilter = z
  .string()
  .regex(/^[!-~]{1,255}$/, { error: 'must be the key of a link: 1 to 255 ASCII characters' })
  .optional()
  .meta({ description: 'the key of a link' });

export const longUrl = z
  .string({ error: mustBe('a string') })
  .meta({ examples: ['https://example.com/hello'] });

/** A time in the future, or null. */
export const expirationDate = timeField((value) => parseExpiration(value, Date.now())).nullable();

/** A time at which links were made. No link is older than 1970. */
export const instant = timeField((value) => {
  const parsed = parseInstant(value);
  return parsed.ok && parsed.at.getTime() < 0 ? { ok: true, at: new Date(0) } : parsed;
});

/** The parameters of a list that comes in pages. */
export const pageQuery = {
  limit: pageLimit,
  cursor: z.string().max(1_000, { error: 'must not exceed 1000 characters' }).optional().meta({
    description: '`next_cursor` of the page before, with the same other parameters',
  }),
};

export const HELLO: WholeLink = {
  unique_id: 'QFXOHkP7',
  short_url: 'https://go.example/QFXOHkP7',
  long_url: 'https://example.com/hello',
  created_at: '2026-11-28T02:37:42.402Z',
  updated_at: '2026-11-28T02:37:42.402Z',
  expiration_date: null,
  valid_from: null,
  title: 'Hello',
  tags: ['greetings'],
  redirect_type: 302,
  forward_query: false,
  max_visits: null,
  visits_left: null,
  has_password: false,
  expired_url: null,
  noindex: false,
  targets: [],
  image: null,
  disabled: false,
  blocked: null,
  deleted_at: null,
  clicks: { total: 0, humans: 0, bots: 0 },
  version: 1,
};
