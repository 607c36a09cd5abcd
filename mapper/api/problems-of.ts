import { PROBLEMS, type ProblemKind } from '../http/problem.ts';
import type { Declared } from './endpoint.ts';

const OF_BODY: readonly ProblemKind[] = [
  'malformed-json',
  'incomplete',
  'too-large',
  'not-json',
  'not-utf8',
  'compressed',
];

/** A stream is judged by the endpoint that reads it; here is what is known before its first byte. */
const OF_STREAM: readonly ProblemKind[] = ['wrong-type', 'not-utf8', 'compressed'];

/**
 * Every problem with which an endpoint answers, beside those that any request may meet (bad HTTP, a fault).
 * Each refuses parameters that it does not know.
 */
export function problemsOf({
  method,
  access,
  limit,
  body,
  bodyTypes,
  conditional,
  problems = [],
}: Declared): ProblemKind[] {
  const kinds = new Set<ProblemKind>(['invalid-request', ...problems]);
  if (access !== 'anyone') {
    if (typeof access === 'string') kinds.add('unauthenticated');
    for (const kind of ['bad-credential', 'missing-scope', 'overloaded', 'no-accounts'] as const)
      kinds.add(kind);
    if (method !== 'GET') kinds.add('foreign-origin');
  }
  if (conditional === 'change') kinds.add('changed-meanwhile');
  if (access !== 'anyone' || limit !== undefined) kinds.add('too-many-requests');
  const ofBody = body !== undefined ? OF_BODY : bodyTypes !== undefined ? OF_STREAM : [];
  for (const kind of ofBody) kinds.add(kind);
  return [...kinds].toSorted((a, b) => PROBLEMS[a].status - PROBLEMS[b].status);
}
