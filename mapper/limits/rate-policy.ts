import { Problem } from '../http/problem.ts';

/** What is limited, each for one minute: names of the policies in the header fields. */
export const LIMIT_NAMES = ['anonymous', 'key', 'sign-in', 'not-found'] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** Requests in a minute; 0: without a limit. */
export type LimitFigures = Readonly<Record<LimitName, number>>;

/** How many requests of one client a minute has had, this one included. */
export interface Count {
  readonly count: number;
  /** Until the minute is over. */
  readonly remainingMs: number;
}

/** What a client may still do, as the header fields `RateLimit-Policy` and `RateLimit` say it. */
export interface Quota {
  readonly isAllowed: boolean;
  readonly policy: string;
  readonly state: string;
  /** Until the client may send again. */
  readonly retryAfterSeconds: number;
}

export const WINDOW_MS = 60_000;

/**
 * Judges a request by the count of its client. The header fields are those of
 * draft-ietf-httpapi-ratelimit-headers-10.
 */
export function judgeCount(name: LimitName, perMinute: number, { count, remainingMs }: Count): Quota {
  const seconds = Math.min(WINDOW_MS / 1_000, Math.max(1, Math.ceil(remainingMs / 1_000)));
  return {
    isAllowed: count <= perMinute,
    policy: `"${name}";q=${perMinute};w=${WINDOW_MS / 1_000}`,
    state: `"${name}";r=${Math.max(0, perMinute - count)};t=${seconds}`,
    retryAfterSeconds: seconds,
  };
}

const DETAILS: Readonly<Record<LimitName, string>> = {
  anonymous: 'Too many links were made from this address without an API key.',
  key: 'This API key was used too often.',
  'sign-in': 'Too many attempts to sign in came from this address.',
  'not-found': 'Too many links that do not exist were asked for from this address.',
};

/** 429, with the time after which another try makes sense. */
export function tooManyRequests(name: LimitName, { retryAfterSeconds }: Quota): Problem {
  return new Problem('too-many-requests', {
    detail: DETAILS[name],
    headers: { 'Retry-After': String(retryAfterSeconds) },
  });
}
