import { codeOf, KeymillError, messageOf } from './errors.ts';
import { readJson } from './json.ts';

/** Where a process can be asked, and by what right. */
export interface AdminAddress {
  /** Base URL of the admin port. */
  readonly url: string;
  /** `KEYMILL_ADMIN_TOKEN`, the same in all processes of a cluster. */
  readonly token: string | undefined;
}

export interface AdminQuestion {
  /** The JSON that a POST sends. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

/** More than the largest reserves of the most processes of one mapper: 64 times 100,000 keys. */
const MAX_ANSWER_BYTES = 128 * 2 ** 20;

/**
 * Sends one request to the admin port of a process and returns the JSON of its answer.
 * @throws KeymillError ADMIN_REFUSED with the process's reason when it refuses; ADMIN_UNREACHABLE, with the
 * error of the network as its cause, when it does not answer
 */
export async function askAdmin(
  { url, token }: AdminAddress,
  method: 'GET' | 'POST',
  path: string,
  { body, timeoutMs }: AdminQuestion,
): Promise<unknown> {
  const request = fetch(new URL(path, url), {
    method,
    // The address comes from ZooKeeper. A redirect would carry the token on to any other address.
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const response = await request.catch((error: unknown) => {
    throw unreachable(error);
  });
  const answer = await readJson(response, MAX_ANSWER_BYTES).catch((error: unknown) => {
    throw unreachable(error);
  });
  if (response.ok) return answer;
  throw new KeymillError(
    'ADMIN_REFUSED',
    `${method} ${path} was refused: ${reasonIn(answer, response.status)}`,
  );
}

/** `fetch` says only that it failed; the cause says why. */
function unreachable(error: unknown): KeymillError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new KeymillError('ADMIN_UNREACHABLE', messageOf(cause) || codeOf(cause), { cause });
}

function reasonIn(answer: unknown, status: number): string {
  const isRefusal = typeof answer === 'object' && answer !== null && 'error' in answer;
  return isRefusal && typeof answer.error === 'string' ? answer.error : `status ${status}`;
}
