import type { LookupFunction } from 'node:net';
import { codeOf, DeadlineError, messageOf } from '../../runtime/errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { LookupError } from './checked-lookup.ts';
import type { SignedMessage } from './message.ts';

/** What became of one attempt. */
export interface Attempt {
  /** Of the answer; null: none came. */
  readonly status: number | null;
  /** Why it failed, for the owner of the webhook; null: it did not. */
  readonly reason: string | null;
  readonly tookMs: number;
  /** This process stops, so the attempt was cut and says nothing about the receiver. */
  readonly isCut?: true;
}

export interface SenderOptions {
  /** Checks where a name leads. Addresses in a URL were checked before. */
  readonly lookup: LookupFunction;
  /** For a whole attempt. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5_000;
const MAX_HEADER_BYTES = 16_384;
/** Nobody reads the body of an answer. It is received, so that the receiver meets no broken connection. */
const MAX_BODY_BYTES = 65_536;
const BODY_MS = 2_000;

const UNTRUSTED = 'its certificate is not trusted';
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut before an answer came',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its host cannot be reached',
  ETIMEDOUT: 'no connection could be made in time',
  EPIPE: 'the connection was cut before an answer came',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  UND_ERR_CONNECT_TIMEOUT: 'no connection could be made in time',
  UND_ERR_SOCKET: 'the connection was cut before an answer came',
  UND_ERR_HEADERS_OVERFLOW: `the headers of its answer exceed ${MAX_HEADER_BYTES} bytes`,
};

/**
 * Sends messages to webhooks, each on a connection of its own, which is closed after it. Follows no redirect.
 * Nothing of an answer is kept but its status.
 */
export class Sender {
  readonly #lookup: LookupFunction;
  readonly #timeoutMs: number;

  constructor({ lookup, timeoutMs = TIMEOUT_MS }: SenderOptions) {
    this.#lookup = lookup;
    this.#timeoutMs = timeoutMs;
  }

  /** Makes one attempt, in a bounded time. Never rejects. @param url http or https, checked */
  async send(url: string, message: SignedMessage, signal: AbortSignal): Promise<Attempt> {
    const beganAtMs = monotonicMs();
    let status: number | null = null;
    let reason: string | null = null;
    const onStatus = (answered: number): void => void (status = answered);
    const work = async (aborted: AbortSignal): Promise<void> => this.#post(url, message, onStatus, aborted);
    try {
      await withDeadline('the webhook', this.#timeoutMs, work, signal);
    } catch (error) {
      reason = reasonOf(error, this.#timeoutMs);
    }
    // What happens to the body of an answer changes nothing.
    if (status !== null) reason = whyRefused(status);
    const isCut = status === null && signal.aborted;
    return { status, reason, tookMs: monotonicMs() - beganAtMs, ...(isCut && { isCut }) };
  }

  async #post(
    url: string,
    { body, headers }: SignedMessage,
    onStatus: (status: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    // It takes 4 MB, and many mappers never send anything.
    const { Client } = await import('undici');
    signal.throwIfAborted();
    const { origin, pathname, search } = new URL(url);
    const client = new Client(origin, {
      connect: { lookup: this.#lookup, timeout: CONNECT_MS },
      maxHeaderSize: MAX_HEADER_BYTES,
      // No connection is kept: it might lead to an address that was checked long ago.
      pipelining: 0,
      allowH2: false,
    });
    const destroy = (): void => void client.destroy().catch(() => undefined);
    signal.addEventListener('abort', destroy, { once: true });
    try {
      const answer = await client.request({ path: pathname + search, method: 'POST', headers, body, signal });
      onStatus(answer.statusCode);
      const late = AbortSignal.any([signal, AbortSignal.timeout(BODY_MS)]);
      await answer.body.dump({ limit: MAX_BODY_BYTES, signal: late }).catch(() => undefined);
    } finally {
      signal.removeEventListener('abort', destroy);
      destroy();
    }
  }
}

function whyRefused(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  const answered = `it answered ${status}`;
  return status >= 300 && status < 400 ? `${answered}, and no redirect is followed` : answered;
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof DeadlineError) return `it did not answer within ${timeoutMs / 1_000} s`;
  const causes = causesOf(error);
  const lookup = causes.find((cause) => cause instanceof LookupError);
  if (lookup !== undefined) return lookup.message;
  const known = causes.map((cause) => REASONS[codeOf(cause)]).find((reason) => reason !== undefined);
  // What is left is about TLS, or about an answer that is no HTTP.
  return known ?? `the attempt failed: ${messageOf(error)}`;
}

/** An error, what caused it, and the errors of each address that was tried. */
function causesOf(error: unknown): unknown[] {
  if (!(error instanceof Error)) return [error];
  const inner = error instanceof AggregateError ? error.errors : [];
  return [error, ...inner.flatMap(causesOf), ...(error.cause === undefined ? [] : causesOf(error.cause))];
}
