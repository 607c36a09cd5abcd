import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { Problem } from '../http/problem.ts';
import { NoKeysError } from '../keys/key-supply.ts';

/* Why a link is not made. */

/** @param headers in addition */
export function aliasTaken(alias: string, headers: Readonly<Record<string, string>> = {}): Problem {
  return new Problem('alias-taken', {
    detail: `The alias ${alias} is taken.`,
    errors: [{ field: 'custom_alias', reason: 'is taken' }],
    headers,
  });
}

export function shardDown(cause?: unknown): Problem {
  return new Problem('store-down', {
    detail: 'The store that would hold this link cannot be reached just now.',
    cause,
  });
}

export function perhapsMade(cause: OutcomeUnknownError): Problem {
  return new Problem('store-down', {
    detail:
      'The store did not say whether it has kept this link. Look into your list before you ask for it again.',
    cause,
  });
}

/** For requests that are refused before any work. */
export function overloaded(): Problem {
  return new Problem('overloaded');
}

/** What the stores could not do, as a problem of a request for a link; any other error as it is. */
export function toProblem(error: unknown): unknown {
  if (error instanceof NoKeysError) return new Problem('no-keys', { cause: error });
  if (error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError) return shardDown(error);
  return error;
}
