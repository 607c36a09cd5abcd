import type { z } from 'zod';
import { invalidFields, type FieldError, type Problem } from './problem.ts';

/** A body may contain thousands of unknown fields. The answer lists only the first. */
const MAX_FIELD_ERRORS = 20;

/** 422 that says for every field what zod found wrong with it. @param others faults of further fields */
export function invalidInput({ issues }: z.ZodError, others: readonly FieldError[] = []): Problem {
  const found = issues.filter(isNotOfOtherType(issues)).flatMap(toFieldErrors);
  const isNew = ({ field }: FieldError): boolean => !found.some((error) => error.field === field);
  return invalidFields([...found, ...others.filter(isNew)].slice(0, MAX_FIELD_ERRORS));
}

/**
 * A value of another type has no other fault. Zod measures everything that has a length: a text where a list
 * belongs would also be too long.
 */
function isNotOfOtherType(issues: readonly z.core.$ZodIssue[]) {
  const others = issues.filter(({ code }) => code === 'invalid_type').map(({ path }) => path.join('.'));
  return ({ code, path }: z.core.$ZodIssue): boolean =>
    code === 'invalid_type' || !others.includes(path.join('.'));
}

function toFieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      field: path === '' ? key : `${path}.${key}`,
      reason: 'unknown field',
    }));
  return [{ field: path, reason: issue.message }];
}

/** The message for a value that is missing, or of another type. */
export function mustBe(what: string): z.core.$ZodErrorMap {
  return ({ input }) => (input === undefined ? 'is required' : `must be ${what}`);
}
