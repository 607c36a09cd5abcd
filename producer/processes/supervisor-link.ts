import type { SessionCredentials } from '../../coordinator/session.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { ToSupervisor, ToWorker } from './messages.ts';

/** The worker's side of the connection to its supervisor. */
export interface SupervisorLink {
  /** Pid of the supervisor; null in a test that runs a worker without one. */
  readonly pid: number | null;
  /**
   * Asks the supervisor to close this session when this process is dead; returns when it has acknowledged.
   * @throws DeadlineError if it does not acknowledge: take no lock
   */
  entrust(credentials: SessionCredentials): Promise<void>;
  /** The ensemble has confirmed that the session is over: the supervisor need not close it. */
  sessionOver(sessionId: string): void;
  ready(): void;
}

const ACKNOWLEDGE_TIMEOUT_MS = 1_000;

/** Reports `loaded` and waits for `start`. @throws KeymillError if the supervisor exits first */
export async function whenStarted(): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onMessage = (message: ToWorker): void => {
      if (message.kind !== 'start') return;
      process.off('message', onMessage).off('disconnect', onDisconnect);
      resolve();
    };
    const onDisconnect = (): void => reject(new KeymillError('SUPERVISOR_GONE', 'the supervisor has exited'));
    process.on('message', onMessage).once('disconnect', onDisconnect);
    send({ kind: 'loaded' });
  });
}

/**
 * Connects this process to the supervisor that forked it.
 * @param onStop called once, when the supervisor asks to stop or has exited
 * @throws KeymillError if this process was not forked by a supervisor
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
  process.once('disconnect', () => stop('the supervisor has exited'));
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
