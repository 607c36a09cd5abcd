import {
  readCoordination as readState,
  type Coordination,
} from '../../../coordinator/overview/coordination.ts';
import { Session } from '../../../coordinator/session.ts';
import type { ZooKeeperConfig } from '../../../runtime/config/zookeeper.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS } from './ask.ts';
import { noZooKeeper } from './no-zookeeper.ts';

/** Reads the state over a session of its own. */
export async function readCoordination(
  config: ZooKeeperConfig | undefined,
  signal?: AbortSignal,
): Promise<Coordination> {
  return withSession(config, signal, async (session) => readState(session));
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
