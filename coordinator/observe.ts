import type { Session } from './session.ts';
import { isCoordinationError } from './errors.ts';

/** A running observation; `refresh()` reads once more now. */
export interface Observer extends Disposable {
  refresh(): void;
}

/**
 * Keeps something read from the ensemble fresh: reads at once, at every change it watches for, whenever the session is
 * attached again (watches die with a connection), and at least every T. Reads never overlap; changes during a read are
 * answered by one more.
 *
 * @param read reads everything anew and sets its watches with `onChange`; may reject, it is called again
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
        // Not connected: `attached` comes. Anything else is read again within T.
        if (!isCoordinationError(error, 'NOT_CONNECTED', 'OUTCOME_UNKNOWN'))
          session.log.error({ error }, 'reading from ZooKeeper failed; it is read again');
      });
    }
    reading = false;
  };
  // One function for all reads, so that a watch set twice is one watch.
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
