import { LATENCY_BUCKETS } from '../../../runtime/metrics.ts';
import type {
  ClusterSeen,
  Facts,
  MemberSeen,
  PoolSeen,
  Rates,
  Seen,
} from '../../../runtime/dashboard/seen.ts';
import type { Source } from '../../../runtime/dashboard/source.ts';

/**
 * A large cluster as a dashboard sees it, played at the pace of the real sources: levels twice a second,
 * reports and stocks every two seconds, and now and then a hand-over.
 */

const SHARDS = 64;
const POOLS = 16;
const PRODUCERS = 20;
const MAPPERS = 20;
/** Of all figures. One shard in every so many steps gets another holder. */
const STEP_MS = 500;
const HAND_OVER_EVERY = 8;

export const FACTS: Facts = {
  id: 'mapper-1',
  kind: 'mapper',
  shards: names('keys-db', SHARDS),
  pools: names('redis', POOLS),
  urlsDbs: names('urls', 8).map((name, index) => ({ name, slots: `${index * 4}-${index * 4 + 3}` })),
  hasZooKeeper: true,
  keySource: 'pools',
};

/** Begins to play when somebody looks. */
export function playedFeed(startMs = Date.now()): Source {
  return (tell) => {
    let step = 0;
    const holders = FACTS.shards.map((_, index) => ({
      owner: index % PRODUCERS,
      sinceMs: startMs - 7e6,
      epoch: 3,
    }));
    const play = (): void => {
      if (step % HAND_OVER_EVERY === 0) {
        const at = (step / HAND_OVER_EVERY) % SHARDS;
        const holder = holders[at];
        if (step > 0 && holder !== undefined)
          holders[at] = {
            owner: (holder.owner + 1) % PRODUCERS,
            sinceMs: Date.now(),
            epoch: holder.epoch + 1,
          };
        tell({ cluster: clusterAt(holders) });
      }
      tell({ pools: poolsAt(step) });
      if (step % 4 === 0) tell(slowPartsAt(step));
      step += 1;
    };
    play();
    const timer = setInterval(play, STEP_MS);
    return { first: Promise.resolve(), [Symbol.asyncDispose]: async () => clearInterval(timer) };
  };
}

type Holder = { readonly owner: number; readonly sinceMs: number; readonly epoch: number };

function clusterAt(holders: readonly Holder[]): ClusterSeen {
  const locks = holders.map(({ owner, sinceMs, epoch }, index) => ({
    shard: `keys-db-${index + 1}`,
    owner: `producer-${owner + 1}`,
    pid: 10_000 + owner,
    since: new Date(sinceMs).toISOString(),
    epoch,
  }));
  return {
    problem: null,
    ensemble: '0f0e0d0c-0b0a-4908-8706-050403020100',
    locks,
    producers: names('producer', PRODUCERS).map((id, index) => ({
      id,
      workerPid: 10_000 + index,
      supervisorPid: 9_000 + index,
      capacity: 8,
      drained: index === PRODUCERS - 1,
      shards: locks.filter(({ owner }) => owner === id).map(({ shard }) => shard),
    })),
    mappers: names('mapper', MAPPERS).map((id, index) => ({ id, url: `http://10.0.0.${index + 1}:8080` })),
    members: [],
    watermarks: new Map(FACTS.pools.map((name) => [name, { low: 20_000, high: 60_000 }])),
    alarms: [],
  };
}

function poolsAt(step: number): PoolSeen[] {
  return FACTS.pools.map((name, index) => ({
    name,
    level: 20_000 + ((index * 7_919 + step * 613) % 40_000),
    isSlow: false,
    problem: null,
  }));
}

function slowPartsAt(step: number): Seen {
  const members: MemberSeen[] = [
    ...names('producer', PRODUCERS).map((id) => memberAt(id, 'producer', step)),
    ...names('mapper', MAPPERS).map((id) => memberAt(id, 'mapper', step)),
  ];
  return {
    members,
    keysDbs: FACTS.shards.map((name, index) => ({
      name,
      unused: 1_000_000 + index * 1_000 - step * 37,
      claimed: 5_000_000 + step * 37,
      ensemble: '0f0e0d0c-0b0a-4908-8706-050403020100',
    })),
    zookeeper: [1, 2, 3].map((number) => ({
      name: `10.0.1.${number}:2181`,
      mode: number === 2 ? 'leader' : 'follower',
      connections: 14 + (step % 3),
    })),
  };
}

function memberAt(id: string, kind: 'producer' | 'mapper', step: number): MemberSeen {
  const of = (mean: number): number => mean + ((step * 31 + id.length * 17) % 97) / 10;
  const isMapper = kind === 'mapper';
  const buckets = Array.from({ length: LATENCY_BUCKETS.length + 1 }, (_, index) =>
    isMapper && index < 8 ? 100 + ((step * 13 + index * 29) % 83) : 0,
  );
  const rates: Rates = {
    perSecond: {
      created: isMapper ? of(50) : 0,
      refused: 0,
      failed: 0,
      followed: isMapper ? of(900) : 0,
      notFound: isMapper ? of(4) : 0,
      lost: 0,
      delivered: isMapper ? 0 : of(70),
    },
    latencies: { shorten: buckets, redirect: buckets },
  };
  return {
    id,
    kind,
    problem: null,
    isReady: true,
    unusable: [],
    drain: isMapper ? null : of(1_000),
    held: null,
    rates,
  };
}

function names(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`);
}
