import { ClusterError } from '../cluster/errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Aborts on the first of these signals. From this call on, the signals no longer end the process by
 * themselves.
 */
export function abortedByStopSignals(signals: readonly NodeJS.Signals[] = SIGNALS): AbortSignal {
  const stopping = new AbortController();
  for (const name of signals) process.on(name, () => stopping.abort(new ClusterError(`stopped by ${name}`)));
  return stopping.signal;
}
