import { readDrained } from '../../../coordinator/drained.ts';
import { readEnsembleId } from '../../../coordinator/ensemble.ts';
import type { LockHolder } from '../../../coordinator/lock-holder.ts';
import { readLocks } from '../../../coordinator/lock-view.ts';
import { readMembers } from '../../../coordinator/membership.ts';
import { PATHS } from '../../../coordinator/paths.ts';
import { Session } from '../../../coordinator/session.ts';
import { parseMapperMember, type MapperView } from '../../../mapper/member.ts';
import { parseProducerMember, type ProducerMember } from '../../../producer/session/member.ts';
import type { ZooKeeperConfig } from '../../../runtime/config/zookeeper.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS } from './ask.ts';
import { noZooKeeper } from './no-zookeeper.ts';

/** The state of a cluster in ZooKeeper, read at about one moment. */
export interface Coordination {
  readonly ensemble: string | undefined;
  /** A shard without an entry is free. Some names may not be configured shards. */
  readonly locks: ReadonlyMap<string, LockHolder>;
  readonly producers: readonly ProducerMember[];
  readonly mappers: readonly MapperView[];
  /** Ids of the producers that were drained, whether or not they run. */
  readonly drained: readonly string[];
  /** Paths of member nodes that no process of ours wrote. */
  readonly foreign: readonly string[];
}

/** Reads the state over a session of its own. */
export async function readCoordination(
  config: ZooKeeperConfig | undefined,
  signal?: AbortSignal,
): Promise<Coordination> {
  return withSession(config, signal, async (session) => {
    const [ensemble, locks, producers, mappers, drained] = await Promise.all([
      readEnsembleId(session),
      readLocks(session),
      readMembers(session, PATHS.producers, parseProducerMember),
      readMembers(session, PATHS.mappers, parseMapperMember),
      readDrained(session),
    ]);
    return {
      ensemble,
      locks,
      producers: [...producers.members.values()],
      mappers: [...mappers.members.values()],
      drained,
      foreign: [
        ...producers.foreign.map((name) => `${PATHS.producers}/${name}`),
        ...mappers.foreign.map((name) => `${PATHS.mappers}/${name}`),
      ],
    };
  });
}

/**
 * Opens a session, runs `work` and closes the session, so that no session is left to time out.
 * @throws UsageError when the cluster has no ZooKeeper
 */
export async function withSession<T>(
  config: ZooKeeperConfig | undefined,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  if (config === undefined) throw noZooKeeper();
  const { connect, auth, sessionTimeoutMs } = config;
  const session = await Session.open({
    connect,
    auth,
    timeoutMs: sessionTimeoutMs,
    openTimeoutMs: ASK_DEADLINE_MS,
    log: QUIET_LOG,
    ...(signal && { signal }),
  });
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}
