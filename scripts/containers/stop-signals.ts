import { ClusterError } from '../cluster/errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborted by the first signal that asks this process to stop; from now on none of these ends it by itself. */
export function abortedByStopSignals(signals: readonly NodeJS.Signals[] = SIGNALS): AbortSignal {
  const stopping = new AbortController();
  for (const name of signals) process.on(name, () => stopping.abort(new ClusterError(`stopped by ${name}`)));
  return stopping.signal;
}
