import { findStoredKey } from '../../db/keyspace/foreign-code.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { invalidFields, Problem, type FieldError } from '../http/problem.ts';
import type { Refusal } from '../links/decide-change.ts';
import type { Announced, ChangeResult } from '../links/own-links.ts';
import { NOT_BEFORE_EXPIRY } from '../shorten/rule-fields.ts';

/* What the rules of links say, as problems and warnings of the API. */

const NOT_AFTER_BEGIN: FieldError = { field: 'expiration_date', reason: 'must be after valid_from' };

/** @param key as `linkKey` spells it. @throws Problem 404 for a text that can be no key */
export function requireKey(key: string): void {
  if (findStoredKey(key) === undefined) throw unknownLink();
}

/** The same for a link that does not exist and for another's. */
export function unknownLink(): Problem {
  return new Problem('unknown-key');
}

/** 422 for a cursor that is not of the list. */
export function badCursor(): Problem {
  return invalidFields([{ field: 'cursor', reason: 'is made up, or belongs to another list' }]);
}

/** The link after a change, or as it was if it is as wanted already. @throws Problem for any other refusal */
export async function settle(
  change: () => Promise<ChangeResult>,
): Promise<{ link: OwnLink; announced: Announced | undefined }> {
  const result = await ask(change);
  if ('link' in result) return result;
  const { refusal } = result;
  if (refusal.why === 'unchanged') return { link: refusal.link, announced: result.announced };
  throw problemFor(refusal);
}

function problemFor(refusal: Exclude<Refusal, { why: 'unchanged' }>): Problem {
  const { why } = refusal;
  if (why === 'unknown') return unknownLink();
  if (why === 'stale') return new Problem('changed-meanwhile', { headers: { ETag: refusal.etag } });
  if (why === 'deleted')
    return new Problem('link-deleted', { detail: 'This link was deleted. Restore it first.' });
  if (why === 'blocked')
    return new Problem('change-blocked', {
      detail: `An administrator has blocked this link: ${refusal.reason}`,
    });
  if (why === 'never-valid')
    return invalidFields([refusal.by === 'validFrom' ? NOT_BEFORE_EXPIRY : NOT_AFTER_BEGIN]);
  if (why === 'not-for-images')
    return invalidFields(refusal.fields.map((field) => ({ field, reason: 'is not for images' })));
  return invalidFields([{ field: 'tags', reason: 'must be empty for a link without an owner' }]);
}

/** What is said when some mappers have not heard of a change. */
export function lagOf(announced: Announced | undefined): FieldError | undefined {
  if (announced === undefined || announced.isHeardByAll) return undefined;
  const seconds = Math.ceil(announced.othersMayLagMs / 1_000);
  return { field: '', reason: `some servers may redirect by the old state for up to ${seconds} s` };
}

/** @throws Problem 503 that names the store */
export async function ask<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreUnavailableError)
      throw new Problem('store-down', { detail: error.toldToUsers, cause: error });
    if (error instanceof OutcomeUnknownError)
      throw new Problem('store-down', {
        detail: 'A store did not confirm the change. Read the link to see whether it has happened.',
        cause: error,
      });
    throw error;
  }
}
