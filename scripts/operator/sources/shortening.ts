import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf } from '../../../runtime/errors.ts';
import { readJson } from '../../../runtime/json.ts';
import { UnreachableError, UsageError } from '../../../runtime/terminal/errors.ts';

/** The service that makes links, and who asks it. */
export interface ShorteningServer {
  /** Origins of the same service, without a slash at the end. When one does not answer, the next is asked. */
  readonly origins: readonly string[];
  readonly apiKey: string | undefined;
  /** Whether to wait where the service says that too many requests have come. */
  readonly isPatient: boolean;
  /** Called before such a wait. */
  readonly onWait: (seconds: number) => void;
}

/** The body of `POST /urls`. */
export interface ShortenBody {
  readonly long_url: string;
  readonly custom_alias?: string;
  readonly expiration_date?: string;
  readonly title?: string;
  readonly tags?: readonly string[];
  readonly find_if_exists?: boolean;
}

/** The link as the service describes it. */
const NewLink = z.looseObject({ short_url: z.string() });
export type NewLink = z.infer<typeof NewLink>;

const ProblemDocument = z.object({
  type: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), reason: z.string() })).default([]),
});

/** Why the service makes no link of a body. */
export interface Refusal {
  readonly status: number;
  /** Such as `alias-taken`. */
  readonly kind: string;
  readonly detail: string;
  readonly errors: readonly { readonly field: string; readonly reason: string }[];
}

export type Shortened = { readonly link: NewLink } | { readonly refusal: Refusal };

/** A mapper answers a usual request within 5 s, and one that must be repeated safely too. */
const ANSWER_MS = 15_000;
/** The answer is one link. What is longer comes from another program. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MIN_ATTEMPTS = 3;
const FIRST_PAUSE_MS = 250;
/** The longest pause that a service which is away may ask for. */
const MAX_AWAY_SECONDS = 5;
/** A minute of the limits, and a bit. */
const MAX_LIMIT_SECONDS = 65;
/** How often one URL waits for the limits. */
const MAX_LIMIT_WAITS = 5;

/**
 * Makes one link. The request has an `Idempotency-Key`, so it is sent again when an answer is lost, and
 * nevertheless makes one link.
 * @throws UnreachableError when no origin answers, UsageError when an origin is not that of a Keymill
 */
export async function shorten(server: ShorteningServer, body: ShortenBody): Promise<Shortened> {
  const idempotencyKey = randomUUID();
  const attempts = Math.max(MIN_ATTEMPTS, server.origins.length);
  let waits = 0;
  for (let attempt = 1; ; attempt += 1) {
    const origin = server.origins[(attempt - 1) % server.origins.length] ?? '';
    const answer = await ask(origin, { ...server, idempotencyKey }, body);
    if ('link' in answer) return answer;
    if ('refusal' in answer) {
      const mayWait = answer.refusal.status === 429 && server.isPatient && waits < MAX_LIMIT_WAITS;
      if (!mayWait) return answer;
      const seconds = Math.min(answer.retryAfter ?? 1, MAX_LIMIT_SECONDS);
      server.onWait(seconds);
      await delay(seconds * 1_000);
      waits += 1;
      attempt -= 1;
    } else {
      if (attempt >= attempts) throw new UnreachableError(`${origin} ${answer.why}`, answer.cause);
      const asked = Math.min(answer.retryAfter ?? 0, MAX_AWAY_SECONDS) * 1_000;
      await delay(Math.max(asked, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
    }
  }
}

type Answer =
  | { readonly link: NewLink }
  | { readonly refusal: Refusal; readonly retryAfter: number | undefined }
  /** Another attempt may succeed. */
  | { readonly why: string; readonly retryAfter?: number | undefined; readonly cause?: unknown };

async function ask(
  origin: string,
  { apiKey, idempotencyKey }: { apiKey: string | undefined; idempotencyKey: string },
  body: ShortenBody,
): Promise<Answer> {
  try {
    const response = await fetch(`${origin}/urls`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'Idempotency-Key': idempotencyKey,
        ...(apiKey !== undefined && { Authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return understand(origin, response, await readJson(response, MAX_ANSWER_BYTES));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return { why: `does not answer: ${reasonOf(error)}`, cause: error };
  }
}

/** @throws UsageError when the answer is not that of a Keymill */
function understand(origin: string, { status, headers }: Response, value: unknown): Answer {
  const location = headers.get('Location');
  if (status >= 300 && status < 400)
    throw new UsageError(
      `${origin} redirects to ${location ?? 'nowhere'}: name the address of the service itself with --server`,
    );
  const link = NewLink.safeParse(value);
  if ((status === 200 || status === 201) && link.success) return { link: link.data };
  const retryAfter = secondsOf(headers.get('Retry-After'));
  const problem = ProblemDocument.safeParse(value);
  if (status >= 500) return { why: `answers ${status}: ${problem.data?.detail ?? 'no reason'}`, retryAfter };
  if (!problem.success)
    throw new UsageError(
      `${origin} answers ${status}, and not as a Keymill does: name its address with --server`,
    );
  const { type, detail, errors } = problem.data;
  return { refusal: { status, kind: type.split(':').at(-1) ?? type, detail, errors }, retryAfter };
}

function secondsOf(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}

/** `fetch` says only that it failed, and has the reason as its cause. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `no answer within ${ANSWER_MS / 1_000} s`;
  const cause = error instanceof Error ? error.cause : undefined;
  return messageOf(cause instanceof Error && cause.message !== '' ? cause : error);
}
