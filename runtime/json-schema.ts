import { z } from 'zod';
import { KeymillError } from './errors.ts';
import { parseJson } from './json.ts';

/**
 * Parses JSON text that must fit a schema. Stands apart from json.ts, because a producer starts faster
 * without zod.
 * @throws KeymillError that names the fault and the field, without the text, which may contain passwords
 */
export function parseJsonAs<T>(schema: z.ZodType<T>, text: string): T {
  const value = parseJson(text);
  if (value === undefined) throw new KeymillError('BAD_JSON', 'it is not JSON');
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KeymillError('BAD_JSON', z.prettifyError(parsed.error), { cause: parsed.error });
}
