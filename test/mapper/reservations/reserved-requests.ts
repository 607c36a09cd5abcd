import { randomUUID } from 'node:crypto';
import { dedupeIdentity, idempotencyIdentity } from '../../../mapper/reservations/reservation-hash.ts';
import type { ReservedOutcome, ReservedRequest } from '../../../mapper/reservations/reserved-request.ts';

const DAY_S = 86_400;

/** A target that no other test has. */
export function newTarget(): string {
  return `https://example.com/${randomUUID()}`;
}

/** An anonymous request with `find_if_exists`. */
export function dedupeRequest(longUrl: string, fields: Partial<ReservedRequest> = {}): ReservedRequest {
  return {
    ...dedupeIdentity(null, { long_url: longUrl, custom_alias: fields.alias }, longUrl),
    kind: 'dedupe',
    keeping: { until: null },
    alias: undefined,
    link: { longUrl, userId: null, expiresAt: null },
    judgeAsFirst: () => undefined,
    ...fields,
  };
}

/** A request with an `Idempotency-Key`, the target. */
export function keyedRequest(longUrl: string, fields: Partial<ReservedRequest> = {}): ReservedRequest {
  return {
    ...idempotencyIdentity(null, { idempotencyKey: longUrl }, { long_url: longUrl }),
    kind: 'idempotency',
    keeping: { forSeconds: DAY_S },
    alias: undefined,
    link: { longUrl, userId: null, expiresAt: null },
    judgeAsFirst: () => undefined,
    ...fields,
  };
}

/** The link of an answer. @throws Error when the request was refused */
export function madeLink(outcome: ReservedOutcome): Extract<ReservedOutcome, { answer: 'made' }> {
  if (outcome.answer === 'made') return outcome;
  throw new Error(`refused: ${outcome.answer}`);
}
