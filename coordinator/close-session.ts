import type { Log } from '../runtime/log.ts';
import { pauseQuietly } from '../runtime/retry.ts';
import { attachPatiently, ServerOrder } from './attach.ts';
import { parseConnectString } from './connect-string.ts';
import type { Connection } from './connection.ts';
import { isCoordinationError } from './errors.ts';
import type { SessionCredentials } from './transport.ts';

export interface CloseSessionOptions {
  readonly connect: string;
  readonly credentials: SessionCredentials;
  readonly log: Log;
  /** Ends the attempts. Otherwise they last until the ensemble answers: without a quorum no session ends. */
  readonly signal: AbortSignal;
}

const HANDSHAKE_MS = 1000;
const CLOSE_MS = 1000;
/** How long we wait for the server of the session's own connection before we also try the others. */
const PATIENCE_MS = 150;

/**
 * Ends a session from outside, by its id and password: its ephemeral nodes (locks, membership) vanish
 * immediately and not after the session timeout. Tries the servers staggered, and repeats until the ensemble
 * has answered.
 *
 * @returns `closed`, or `expired` when the ensemble no longer had the session
 * @throws the reason of `signal`
 */
export async function closeSession(options: CloseSessionOptions): Promise<'closed' | 'expired'> {
  const { connect, credentials, log, signal } = options;
  const order = new ServerOrder(parseConnectString(connect));
  let sent = false;
  try {
    await attachPatiently(
      {
        order,
        timeoutMs: credentials.timeoutMs,
        credentials,
        handshakeMs: HANDSHAKE_MS,
        log,
        signal,
        prove: async (connection, deadlineMs) => {
          sent = true;
          await connection.closeSession(deadlineMs);
        },
      },
      (round, error) => log.debug({ error, session: credentials.id, round }, 'session not closed yet'),
    );
    return 'closed';
  } catch (error) {
    if (!isCoordinationError(error, 'SESSION_EXPIRED')) throw error;
    // An earlier close, whose answer was lost, has closed it.
    return sent ? 'closed' : 'expired';
  }
}

/**
 * Closes the session over its own connection. Returns false when no answer comes soon; the session may be
 * closed anyway.
 */
export async function closeOver(connection: Connection): Promise<boolean> {
  const answered = new AbortController();
  const closing = connection.closeSession(CLOSE_MS).then(
    () => true,
    () => false,
  );
  const late = pauseQuietly(PATIENCE_MS, answered.signal).then(() => false);
  const closed = await Promise.race([closing, late]);
  answered.abort();
  return closed;
}
