import { z } from 'zod';
import { KeymillError } from '../../../runtime/errors.ts';
import { ASK_DEADLINE_MS } from './ask.ts';

const Refusal = z.object({ error: z.string() });

/**
 * Sends one request to a process's admin port and returns the JSON of its answer.
 * @throws KeymillError with the process's reason when it refuses; the network's error when it is unreachable
 */
export async function callAdmin(
  admin: string,
  method: 'GET' | 'POST',
  path: string,
  { body, timeoutMs = ASK_DEADLINE_MS }: { body?: unknown; timeoutMs?: number } = {},
): Promise<unknown> {
  const response = await fetch(new URL(path, admin), {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer;
  const reason = Refusal.safeParse(answer).data?.error ?? `status ${response.status}`;
  throw new KeymillError('ADMIN_REFUSED', `${method} ${path} was refused: ${reason}`);
}
