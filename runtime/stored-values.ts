import { inspect } from 'node:util';
import { KeymillError } from './errors.ts';

/**
 * A store holds a value that no program of ours writes there: text instead of a number, or a number that
 * cannot be right. The value is not used. A person must mend it; the message names it.
 */
export class ImpossibleValueError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('IMPOSSIBLE_VALUE', `${store} holds an impossible value: ${reason}`, { cause });
  }
}

/** Where a value was read: the store, and the name of the value for a person. */
export interface Source {
  readonly store: string;
  readonly what: string;
}

/**
 * The largest epoch, sequence number, batch number or id that is accepted. The distance to 2^53 leaves room
 * to count on from it with exact numbers.
 */
export const MAX_COUNT = Number.MAX_SAFE_INTEGER - 2 ** 32;

/**
 * How far a count in one store may be ahead of the same count in another. A restored backup is behind by the
 * reigns or deliveries since it was made. At one delivery each millisecond, 2^32 are 50 days.
 */
const MAX_LEAD = 2 ** 32;

const MAX_SHOWN_CHARACTERS = 40;

/**
 * A whole number from 0 to {@link MAX_COUNT}, as number or as decimal text. Null and undefined are 0: a store
 * without the value has counted nothing.
 * @throws ImpossibleValueError
 */
export function parseCount(value: unknown, { store, what }: Source): number {
  if (value === null || value === undefined) return 0;
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= MAX_COUNT)
    return number;
  throw new ImpossibleValueError(
    store,
    `${what} is ${showValue(value)}, not a number from 0 to ${MAX_COUNT}`,
  );
}

/**
 * Refuses a count that is so far ahead of ours that nothing can have counted to it.
 * @throws ImpossibleValueError
 */
export function requirePlausible(found: number, ours: number, { store, what }: Source): void {
  if (found - ours <= MAX_LEAD) return;
  throw new ImpossibleValueError(store, `${what} is ${found}, more than 2^32 above ours (${ours})`);
}

/** A text of `pattern`. @throws ImpossibleValueError */
export function parseText(value: unknown, pattern: RegExp, { store, what }: Source): string {
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw new ImpossibleValueError(store, `${what} is ${showValue(value)}, not of the form ${pattern.source}`);
}

/** The elements of an array. @throws ImpossibleValueError */
export function parseArray(value: unknown, { store, what }: Source): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ImpossibleValueError(store, `${what} is ${showValue(value)}, not a list`);
}

/** The fields of an object. @throws ImpossibleValueError */
export function parseFields(value: unknown, { store, what }: Source): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new ImpossibleValueError(store, `${what} is ${showValue(value)}, not an object`);
}

/** For messages. Values of strangers can be long. */
export function showValue(value: unknown): string {
  const text = inspect(value, { depth: 1, maxStringLength: MAX_SHOWN_CHARACTERS, breakLength: Infinity });
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}
