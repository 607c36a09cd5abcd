import { createEnsembleId, readEnsembleId } from '../coordinator/ensemble.ts';
import type { Session } from '../coordinator/session.ts';
import type { Log } from '../runtime/log.ts';
import { pauseQuietly } from '../runtime/retry.ts';
import type { Reachability } from './reachability.ts';

export interface EnsembleOptions {
  readonly session: Session;
  readonly reachability: Reachability;
  readonly log: Log;
}

const READ_EVERY_MS = 100;

/**
 * Waits for the id of the ensemble that the session is with.
 *
 * A ZooKeeper without an id is either new, like all keys-dbs, or was wiped. A new one gets an id. A wiped one
 * may have lost the locks of running reigns, so nobody contends until an operator adopts it.
 *
 * @returns undefined when `signal` is aborted first
 */
export async function whenEnsembleKnown(
  { session, reachability, log }: EnsembleOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  let logged = '';
  for (; !signal.aborted; await pauseQuietly(READ_EVERY_MS, signal)) {
    const id = await readEnsembleId(session).catch(() => null);
    if (typeof id === 'string') return id;
    if (id === null) continue;
    if (reachability.isPristine) return createEnsembleId(session);
    const { unreachable } = reachability;
    const message =
      unreachable.length > 0
        ? 'this ZooKeeper has no ensemble id: if the cluster is new, it gets one when every keys-db answers'
        : 'this ZooKeeper has no ensemble id, but keys-dbs have had reigns: if it was wiped, run "keymill zookeeper adopt"; until then nobody contends';
    if (message !== logged) log.error({ unreachable }, message);
    logged = message;
  }
  return undefined;
}
