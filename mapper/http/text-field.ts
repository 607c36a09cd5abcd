import { z } from 'zod';
import { mustBe } from './field-errors.ts';

/** A text in a request. */
export function text({ min = 0, max }: { readonly min?: number; readonly max: number }) {
  return z
    .string({ error: mustBe('a string') })
    .min(min, { error: min === 1 ? 'must not be empty' : `must have at least ${min} characters` })
    .max(max, { error: `must not exceed ${max} characters` })
    .refine((value) => value.isWellFormed(), { error: 'must be well-formed Unicode' })
    .refine((value) => !/\p{Cc}/u.test(value), { error: 'must not contain control characters' });
}
