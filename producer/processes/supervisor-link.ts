import type { SessionCredentials } from '../../coordinator/session.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { ToSupervisor, ToWorker } from './messages.ts';

/** The worker's side of the connection to its supervisor. */
export interface SupervisorLink {
  /** Pid of the supervisor; null for a worker that runs without one, in a test. */
  readonly pid: number | null;
  /**
   * Hands a session over for closing after this process's death; returns when the supervisor has it.
   * @throws DeadlineError: take no lock
   */
  entrust(credentials: SessionCredentials): Promise<void>;
  /** The ensemble has confirmed that the session is over: it needs no closing. */
  sessionOver(sessionId: string): void;
  ready(): void;
}

const ACKNOWLEDGE_TIMEOUT_MS = 1_000;

/** Reports that this process is loaded and waits until the supervisor says start. Rejects when it vanishes first. */
export async function whenStarted(): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onMessage = (message: ToWorker): void => {
      if (message.kind !== 'start') return;
      process.off('message', onMessage).off('disconnect', onDisconnect);
      resolve();
    };
    const onDisconnect = (): void =>
      reject(new KeymillError('SUPERVISOR_GONE', 'the supervisor has vanished'));
    process.on('message', onMessage).once('disconnect', onDisconnect);
    send({ kind: 'loaded' });
  });
}

/**
 * Connects this process to the supervisor that forked it.
 * @param onStop called once, when it asks to stop or has vanished
 * @throws when this process was not forked by one
 */
export function connectSupervisor(onStop: (why: string) => void): SupervisorLink {
  if (process.send === undefined) {
    throw new KeymillError(
      'NO_SUPERVISOR',
      'a producer worker is started by its supervisor: run producer/main.ts',
    );
  }
  const acknowledgements = new Map<string, () => void>();
  let stopped = false;
  const stop = (why: string): void => {
    if (!stopped) onStop(why);
    stopped = true;
  };
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'stop') stop('the supervisor asks to stop');
    if (message.kind === 'acknowledged') acknowledgements.get(message.sessionId)?.();
  });
  process.once('disconnect', () => stop('the supervisor has vanished'));
  return {
    pid: process.ppid,
    entrust: async (credentials) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      acknowledgements.set(credentials.id, resolve);
      send({ kind: 'session', credentials });
      try {
        await withDeadline("the supervisor's acknowledgement", ACKNOWLEDGE_TIMEOUT_MS, () => promise);
      } finally {
        acknowledgements.delete(credentials.id);
      }
    },
    sessionOver: (sessionId) => send({ kind: 'sessionOver', sessionId }),
    ready: () => send({ kind: 'ready' }),
  };
}

function send(message: ToSupervisor): void {
  // A channel that has just closed is reported by `disconnect`.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
