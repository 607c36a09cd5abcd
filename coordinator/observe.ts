import { isCoordinationError } from './errors.ts';
import type { Session } from './session.ts';

/** A running observation. `refresh()` reads again now. */
export interface Observer extends Disposable {
  refresh(): void;
}

/**
 * Keeps data from the ensemble up to date: reads immediately, at every change that it watches, whenever the
 * session is attached again (watches die with a connection), and at least every T. Reads never overlap; a
 * change during a read causes one more.
 *
 * @param read reads everything and sets its watches with `onChange`. When it rejects, it is called again at
 *   the next attach or within T.
 */
export function observe(session: Session, read: (onChange: () => void) => Promise<void>): Observer {
  let stopped = false;
  let reading = false;
  let again = false;

  const refresh = async (): Promise<void> => {
    again = true;
    if (reading) return;
    reading = true;
    while (again) {
      again = false;
      if (stopped || session.state !== 'connected') break;
      await read(onChange).catch((error: unknown) => {
        // When not connected, `attached` starts the next read. After any other error it starts within T.
        if (!isCoordinationError(error, 'NOT_CONNECTED', 'OUTCOME_UNKNOWN'))
          session.log.error(
            { error },
            'reading from ZooKeeper failed; reading again within the session timeout',
          );
      });
    }
    reading = false;
  };
  // One function for all reads, so that a watch that is set twice counts once.
  const onChange = (): void => void refresh();

  const offAttached = session.on('attached', onChange);
  const timer = setInterval(onChange, session.timeoutMs);
  const stop = (): void => {
    stopped = true;
    clearInterval(timer);
    offAttached();
    session.ended.removeEventListener('abort', stop);
  };
  session.ended.addEventListener('abort', stop, { once: true });
  if (session.ended.aborted) stop();
  else onChange();
  return { refresh: onChange, [Symbol.dispose]: stop };
}
