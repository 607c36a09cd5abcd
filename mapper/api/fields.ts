import { z } from 'zod';
import { parseEmail } from '../../db/accounts/email.ts';
import { whyNoPassword, whyPasswordRefused } from '../auth/password-rules.ts';
import { mustBe } from '../http/field-errors.ts';

/* The fields of requests and answers that several endpoints have. */

const EXAMPLE_TIME = '2026-11-28T02:37:42.402Z';

export { text } from '../http/text-field.ts';

/** An email address in a request, in the form in which addresses are compared. */
export const email = z
  .string({ error: mustBe('a string') })
  .max(254, { error: 'must not exceed 254 characters' })
  .transform((value, context) => {
    const parsed = parseEmail(value);
    if (parsed.ok) return parsed.email;
    context.addIssue(parsed.reason);
    return z.NEVER;
  })
  .meta({ format: 'email', examples: ['ana@example.com'] });

/** A password that is chosen. */
export const newPassword = password(whyPasswordRefused, 'at least 10 characters, at most 1,024 bytes');

/** A password that is only compared. */
export const givenPassword = password(whyNoPassword);

function password(whyRefused: (value: string) => string | undefined, description?: string) {
  return z
    .string({ error: mustBe('a string') })
    .superRefine((value, context) => {
      const reason = whyRefused(value);
      if (reason !== undefined) context.addIssue(reason);
    })
    .meta({ format: 'password', ...(description !== undefined && { description }) });
}

/** A time in an answer. */
export const time = z
  .string()
  .meta({ format: 'date-time', description: 'RFC 3339, UTC, with milliseconds', examples: [EXAMPLE_TIME] });

/** How many items of a list a page has. */
export const pageLimit = z
  .string()
  .regex(/^(?:[1-9]\d?|1\d\d|200)$/, { error: 'must be a whole number from 1 to 200' })
  .default('50')
  .transform(Number)
  .meta({ description: 'items of a page, 1 to 200' });

/** Where a page begins: the `next_cursor` of the page before. */
export const cursor = z
  .string()
  .transform((value, context) => {
    const id = Buffer.from(value, 'base64url').toString('latin1');
    if (/^\d{1,19}$/.test(id) && formatCursor(BigInt(id)) === value) return BigInt(id);
    context.addIssue('must be the next_cursor of another page');
    return z.NEVER;
  })
  .optional()
  .meta({ description: 'the `next_cursor` of the page before' });

/** @param id before which the next page begins; undefined: there is none */
export function formatCursor(id: bigint): string;
export function formatCursor(id: bigint | undefined): string | null;
export function formatCursor(id: bigint | undefined): string | null {
  return id === undefined ? null : Buffer.from(String(id), 'latin1').toString('base64url');
}
