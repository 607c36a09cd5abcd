import { Problem } from '../http/problem.ts';

/** What is limited for one minute by the configuration: names of the policies in the header fields. */
export const LIMIT_NAMES = ['anonymous', 'key', 'session', 'sign-in', 'bad-credential', 'not-found'] as const;

export type LimitName = (typeof LIMIT_NAMES)[number] | 'link-password';

/** Requests in a minute; 0: without a limit. */
export type LimitFigures = Readonly<Record<(typeof LIMIT_NAMES)[number], number>>;

/** How many requests of one client a window of time has had, this one included. */
export interface Count {
  readonly count: number;
  /** Until the window is over. */
  readonly remainingMs: number;
}

/** Counts over all mappers. */
export interface SharedCounts {
  /** @throws StoreUnavailableError, OutcomeUnknownError */
  hit(limit: Pick<Limit, 'name' | 'windowMs'>, client: string): Promise<Count>;
}

/** One limit, with the text that all its answers share. */
export interface Limit {
  readonly name: LimitName;
  /** Requests in a window; 0: without a limit. */
  readonly most: number;
  /** How long a window is. It begins with the first request of a client. */
  readonly windowMs: number;
  /** Of the header field `RateLimit-Policy`. */
  readonly policy: string;
  /** The lines of both header fields, up to what differs from answer to answer. */
  readonly lines: string;
}

/** What a client may still do. */
export interface Quota {
  readonly limit: Limit;
  readonly isAllowed: boolean;
  /** Requests. */
  readonly remaining: number;
  /** Until the window is over. */
  readonly seconds: number;
}

export const MINUTE_MS = 60_000;

/** The header fields are those of draft-ietf-httpapi-ratelimit-headers-10. */
export function createLimit(name: LimitName, most: number, windowMs = MINUTE_MS): Limit {
  const policy = `"${name}";q=${most};w=${windowMs / 1_000}`;
  const lines = `\r\nRateLimit-Policy: ${policy}\r\nRateLimit: "${name}";r=`;
  return { name, most, windowMs, policy, lines };
}

/** Judges a request by the count of its client. */
export function judgeCount(limit: Limit, { count, remainingMs }: Count): Quota {
  const { most, windowMs } = limit;
  return {
    limit,
    isAllowed: count <= most,
    remaining: Math.max(0, most - count),
    seconds: Math.min(windowMs / 1_000, Math.max(1, Math.ceil(remainingMs / 1_000))),
  };
}

/** Of the header field `RateLimit`. */
export function stateOf({ limit, remaining, seconds }: Quota): string {
  return `"${limit.name}";r=${remaining};t=${seconds}`;
}

const DETAILS: Readonly<Record<LimitName, string>> = {
  anonymous: 'Too many links were made from this address without an API key.',
  key: 'This API key was used too often.',
  session: 'Your sessions were used too often.',
  'sign-in': 'Too many passwords were tried from this address, or for this account.',
  'bad-credential': 'Too many API keys or sessions that are not valid came from this address.',
  'not-found': 'Too many links that do not exist were asked for from this address.',
  'link-password': 'Too many wrong passwords were tried for this link from this address.',
};

/** The header fields that say what a client may still do. */
export function quotaFields(quota: Quota): Readonly<Record<string, string>> {
  return { 'RateLimit-Policy': quota.limit.policy, RateLimit: stateOf(quota) };
}

/**
 * 429, with the time after which another try makes sense.
 * @param fields further header fields of the answer
 */
export function tooManyRequests(
  { limit, seconds }: Quota,
  fields: Readonly<Record<string, string>> = {},
): Problem {
  return new Problem('too-many-requests', {
    detail: DETAILS[limit.name],
    headers: { 'Retry-After': String(seconds), ...fields },
  });
}
