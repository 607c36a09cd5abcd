import { z } from 'zod';
import { mustBe } from '../http/field-errors.ts';
import type { Expiration } from './expiration.ts';

/** A time in a request. */
export function timeField(parse: (value: string) => Expiration) {
  return z
    .string({ error: mustBe('a string') })
    .transform((value, context) => {
      const parsed = parse(value);
      if (parsed.ok) return parsed.at;
      context.addIssue(parsed.reason);
      return z.NEVER;
    })
    .meta({ format: 'date-time' });
}
