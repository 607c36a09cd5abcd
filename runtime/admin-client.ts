import type { IncomingMessage } from 'node:http';
import getRawBody from 'raw-body';
import { codeOf, KeymillError, messageOf } from './errors.ts';
import { parseJson } from './json.ts';
import { withDeadline } from './retry.ts';

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

const REFUSED = 'ADMIN_REFUSED';
/** More than the largest reserves of the most processes of one mapper: 64 times 100,000 keys. */
const MAX_ANSWER_BYTES = 128 * 2 ** 20;

/**
 * Sends one request to the admin port of a process and returns the JSON of its answer.
 * @throws KeymillError ADMIN_REFUSED with the process's reason when it refuses; ADMIN_UNREACHABLE, with the
 * error of the network as its cause, when it does not answer
 */
export async function askAdmin(
  address: AdminAddress,
  method: 'GET' | 'POST',
  path: string,
  { body, timeoutMs }: AdminQuestion,
): Promise<unknown> {
  try {
    return await withDeadline('the process', timeoutMs, async (signal) =>
      exchange(address, path, { method, body, signal }),
    );
  } catch (error) {
    throw error instanceof KeymillError && error.code === REFUSED ? error : unreachable(error);
  }
}

async function exchange(
  { url, token }: AdminAddress,
  path: string,
  { method, body, signal }: Omit<Sent, 'token'>,
): Promise<unknown> {
  const response = await send(new URL(path, url), { method, token, body, signal });
  try {
    const status = response.statusCode ?? 0;
    // The address comes from ZooKeeper. To follow it on would carry the token to any other address.
    if (status >= 300 && status < 400) throw new Error('it redirects to another address');
    const answer = parseJson(await getRawBody(response, { limit: MAX_ANSWER_BYTES, encoding: 'utf8' }));
    if (status >= 200 && status < 300) return answer;
    throw new KeymillError(REFUSED, `${method} ${path} was refused: ${reasonIn(answer, status)}`);
  } catch (error) {
    response.destroy();
    throw error;
  }
}

interface Sent {
  readonly body: AdminQuestion['body'] | undefined;
  readonly method: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Not `fetch`: a dashboard asks several processes a second, and half of what that took were the streams and
 * errors that `fetch` makes for each connection. Node's client is loaded with the first question.
 */
async function send(url: URL, { method, token, body, signal }: Sent): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(text !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    }),
  };
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  // An admin port takes one request of each connection.
  request(url, { method, headers, signal, agent: false }, resolve).on('error', reject).end(text);
  return promise;
}

function unreachable(cause: unknown): KeymillError {
  return new KeymillError('ADMIN_UNREACHABLE', messageOf(cause) || codeOf(cause), { cause });
}

function reasonIn(answer: unknown, status: number): string {
  const isRefusal = typeof answer === 'object' && answer !== null && 'error' in answer;
  return isRefusal && typeof answer.error === 'string' ? answer.error : `status ${status}`;
}
