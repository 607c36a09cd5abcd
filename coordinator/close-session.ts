import type { Log } from '../runtime/log.ts';
import { delayFor, pause } from '../runtime/retry.ts';
import { attach, ServerOrder } from './attach.ts';
import { parseConnectString } from './connect-string.ts';
import { isCoordinationError } from './errors.ts';
import type { SessionCredentials } from './transport.ts';

export interface CloseSessionOptions {
  readonly connect: string;
  readonly credentials: SessionCredentials;
  readonly log: Log;
  /** The only end besides the ensemble's answer: a session left alone lives on while its ensemble has no quorum. */
  readonly signal: AbortSignal;
}

const HANDSHAKE_MS = 1000;
const CLOSE_MS = 1000;
const RETRY = { baseMs: 50, maxMs: 1000 };

/**
 * Ends a session from outside, by its id and password: its ephemeral nodes (locks, membership) vanish at once instead
 * of after the session timeout. Tries the servers staggered and repeats until the ensemble has given its final word.
 *
 * @returns `closed`, or `expired` when the ensemble no longer knew the session
 */
export async function closeSession(options: CloseSessionOptions): Promise<'closed' | 'expired'> {
  const { connect, credentials, log, signal } = options;
  const order = new ServerOrder(parseConnectString(connect));
  let sent = false;
  for (let round = 0; ; round += 1) {
    try {
      await attach({
        order,
        timeoutMs: credentials.timeoutMs,
        credentials,
        handshakeMs: HANDSHAKE_MS,
        log,
        signal,
        prove: async (connection) => {
          sent = true;
          await connection.closeSession(CLOSE_MS);
        },
      });
      return 'closed';
    } catch (error) {
      signal.throwIfAborted();
      // A close whose answer was lost did its work all the same.
      if (isCoordinationError(error, 'SESSION_EXPIRED')) return sent ? 'closed' : 'expired';
      log.debug({ error, session: credentials.id, round }, 'session not closed yet');
      await pause(delayFor(round, RETRY), signal);
    }
  }
}
