import { aborted } from '../../runtime/aborted.ts';
import type { ZooKeeperConfig } from '../../runtime/config/zookeeper.ts';
import { blockerAlarms, refusedAlarms, unheldAlarms } from '../../runtime/dashboard/alarm-sentences.ts';
import type { ClusterSeen, MemberAddress } from '../../runtime/dashboard/seen.ts';
import { pollingSource, type Source } from '../../runtime/dashboard/source.ts';
import { messageOf } from '../../runtime/errors.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { naturally } from '../../runtime/natural-order.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { observe } from '../observe.ts';
import { Session } from '../session.ts';
import { blockerEntries, refusedEntries, unheldEntries } from './alarms.ts';
import { readCoordination, type Coordination } from './coordination.ts';
import { KnownNodes } from './known-nodes.ts';
import { lockEntries } from './lock-entries.ts';
import { producerEntries } from './producer-entries.ts';
import { askServers } from './zookeeper-servers.ts';

const OPEN_TIMEOUT_MS = 1_000;
const AGAIN_MS = 500;
const SERVERS_EVERY_MS = 2_000;
const SERVER_MS = 600;

/** What is shown before ZooKeeper has ever answered. */
const NOTHING: Coordination = {
  ensemble: undefined,
  locks: new Map(),
  producers: [],
  mappers: [],
  drained: [],
  foreign: [],
};

/**
 * Locks and members, told whenever they change, over a session that lasts while somebody looks. When
 * ZooKeeper does not answer, what it said last stays, with the reason.
 * @param shards the configured ones, in order
 */
export function clusterSource(zookeeper: ZooKeeperConfig, shards: readonly string[]): Source {
  return (tell) => {
    const stopping = new AbortController();
    const { promise: first, resolve } = Promise.withResolvers<void>();
    let last = NOTHING;
    const tellState = (coordination: Coordination, problem: string | null): void => {
      last = coordination;
      tell({ cluster: seenOf(coordination, shards, problem) });
      resolve();
    };
    const running = (async () => {
      while (!stopping.signal.aborted) {
        try {
          await watchOne(zookeeper, stopping.signal, tellState, () => last);
        } catch (error) {
          if (!stopping.signal.aborted) tellState(last, messageOf(error));
        }
        await pauseQuietly(AGAIN_MS, stopping.signal);
      }
    })();
    return {
      first,
      [Symbol.asyncDispose]: async () => {
        stopping.abort();
        await running;
      },
    };
  };
}

/** The servers of the ensemble. */
export function zookeeperServersSource({ connect }: ZooKeeperConfig): Source {
  const polling = { everyMs: SERVERS_EVERY_MS, deadlineMs: SERVER_MS + 400 };
  return pollingSource(polling, async () => ({ zookeeper: await askServers(connect, SERVER_MS) }));
}

/** One session. Returns when it has ended or nobody looks any more. @throws when none can be opened */
async function watchOne(
  { connect, auth, sessionTimeoutMs: timeoutMs }: ZooKeeperConfig,
  signal: AbortSignal,
  tellState: (coordination: Coordination, problem: string | null) => void,
  last: () => Coordination,
): Promise<void> {
  const openTimeoutMs = OPEN_TIMEOUT_MS;
  const session = await Session.open({ connect, auth, timeoutMs, log: QUIET_LOG, signal, openTimeoutMs });
  using stack = new DisposableStack();
  try {
    const nodes = stack.use(new KnownNodes(session));
    stack.use(
      observe(session, async (onChange) => {
        nodes.forgetOld();
        const coordination = await readCoordination(nodes, onChange);
        if (!signal.aborted) tellState(coordination, null);
      }),
    );
    stack.defer(
      session.on('stateChanged', (state) => {
        if (state !== 'connected' && !signal.aborted) tellState(last(), `the session is ${state}`);
      }),
    );
    await aborted(AbortSignal.any([signal, session.ended]));
  } finally {
    stack.dispose();
    await session.close();
  }
}

function seenOf(coordination: Coordination, shards: readonly string[], problem: string | null): ClusterSeen {
  const { ensemble, locks, producers, mappers } = coordination;
  const isKnown = problem === null;
  const addresses: MemberAddress[] = [
    ...producers.map(({ id, admin, host }) => ({ id, kind: 'producer' as const, admin, host })),
    ...mappers.map(({ id, admin, host }) => ({ id, kind: 'mapper' as const, admin, host })),
  ];
  return {
    problem,
    ensemble: ensemble ?? null,
    locks: lockEntries(shards, locks),
    producers: producerEntries(coordination),
    mappers: mappers.toSorted((a, b) => naturally(a.id, b.id)).map(({ id, url }) => ({ id, url })),
    members: addresses.sort((a, b) => naturally(a.id, b.id)),
    watermarks: watermarksOf(producers),
    alarms: isKnown
      ? [
          ...unheldAlarms(unheldEntries(shards, coordination)),
          ...refusedAlarms(refusedEntries(coordination)),
          ...blockerAlarms(blockerEntries(coordination)),
        ]
      : [],
  };
}

/** By pool: the largest that any holder publishes. */
function watermarksOf(producers: Coordination['producers']): ClusterSeen['watermarks'] {
  const marks = new Map<string, { low: number; high: number }>();
  for (const { low, high } of producers)
    for (const [pool, keys] of Object.entries(high)) {
      const known = marks.get(pool);
      marks.set(pool, {
        low: Math.max(known?.low ?? 0, low[pool] ?? 0),
        high: Math.max(known?.high ?? 0, keys),
      });
    }
  return marks;
}
