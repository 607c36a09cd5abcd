import type { Sight } from '../reachability.ts';
import type { EnsembleView } from './ensemble-watch.ts';

/** Why a producer contends for a shard or does not. Pure. */

const MESSAGES = {
  not_asked: 'its keys-db has not been asked yet',
  not_read: 'the ensemble id has not been read yet',
  mismatch: 'its keys-db must not be used by this producer',
  no_ensemble:
    'this ZooKeeper has no ensemble id: if it was wiped, run "keymill zookeeper adopt"; if the cluster is new, it gets one when every keys-db answers',
  other_ensemble:
    'keys-db belongs to another ZooKeeper: if ZooKeeper was wiped or replaced, run "keymill zookeeper adopt"',
  gone_back:
    'this ZooKeeper has gone back to an earlier state, before the last lock that the keys-db has recorded: run "keymill zookeeper adopt"',
} as const;

export type RefusalReason = keyof typeof MESSAGES;

/** The reasons of the first moments of a process or session. */
export const PASSES_SOON: ReadonlySet<RefusalReason> = new Set(['not_asked', 'not_read']);

/** The reasons that only an operator can remove, and that no other part of the program reports. */
export const NEEDS_OPERATOR: ReadonlySet<RefusalReason> = new Set([
  'no_ensemble',
  'other_ensemble',
  'gone_back',
]);

/** The reason in plain words, for logs and operators. */
export function messageOfRefusal(reason: RefusalReason): string {
  return MESSAGES[reason];
}

/**
 * Why this producer must not contend for a shard; undefined if it may. Locks of different ensembles cannot be
 * compared, and a lock of an ensemble that has gone back looks older than a reign that is over.
 */
export function refusalOf(
  shard: string,
  sight: Sight | undefined,
  ensemble: EnsembleView | undefined,
): RefusalReason | undefined {
  if (ensemble === undefined) return 'not_read';
  if (sight?.isReachable === undefined) return 'not_asked';
  if (sight.mismatch !== undefined) return 'mismatch';
  if (ensemble.id === undefined) return 'no_ensemble';
  if (sight.ensemble !== undefined && sight.ensemble !== ensemble.id) return 'other_ensemble';
  return ensemble.goneBackFor.has(shard) ? 'gone_back' : undefined;
}

export interface Standing {
  /** 0 while drained. */
  readonly capacity: number;
  /** Shards of which this producer holds the lock, and whether the reign has become ready. */
  readonly reigns: readonly { readonly shard: string; readonly wasReady: boolean }[];
  /** Shards whose lock nobody has. */
  readonly free: readonly string[];
  readonly refusals: ReadonlyMap<string, RefusalReason>;
  /** The reason in plain words. */
  readonly describe: (shard: string, reason: RefusalReason) => string;
  /** How often in a row taking this shard, or the reign over it, has failed. */
  readonly failures: (shard: string) => number;
}

/** After this many failures in a row, a further attempt is no sign that the shard will have a holder. */
const MANY_FAILURES = 3;

/**
 * Why a producer with room reigns over nothing, although shards are free: by shard. Undefined if it reigns,
 * if it is about to, or if nothing is left for it.
 */
export function idleReasons({
  capacity,
  reigns,
  free,
  refusals,
  describe,
  failures,
}: Standing): Readonly<Record<string, string>> | undefined {
  if (capacity === 0 || reigns.some(({ wasReady }) => wasReady)) return undefined;
  const own = reigns.map(({ shard }) => shard);
  const candidates = [...new Set([...free, ...own])];
  const reasons = candidates.map((shard) => {
    const refusal = own.includes(shard) ? undefined : refusals.get(shard);
    if (refusal !== undefined) return [shard, describe(shard, refusal)] as const;
    const failed = failures(shard);
    return failed < MANY_FAILURES
      ? undefined
      : ([shard, `the last ${failed} attempts to reign over it failed: see the log`] as const);
  });
  const known = reasons.filter((reason) => reason !== undefined);
  return candidates.length > 0 && known.length === candidates.length ? Object.fromEntries(known) : undefined;
}
