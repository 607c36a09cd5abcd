import { SHARE_WITH_KEY } from '../../db/keyspace/loose-ends.ts';
import { watermarks } from '../../producer/pools/watermarks.ts';
import type { PoolLimits } from '../../runtime/config/config.ts';

/** The demand to plan for. */
export interface Demand {
  readonly linksPerYear: number;
  readonly years: number;
  readonly readsPerWrite: number;
  /** The busiest moment ÷ the average. */
  readonly peakFactor: number;
  /** The share of all stored links that the mappers keep in memory. */
  readonly cacheShare: number;
  /** Machines that the 32 slots are spread over. */
  readonly shards: number;
  /** How much each of them may store. */
  readonly shardBytes: number;
  readonly redisShards: number;
  readonly keyLength: number;
  readonly keysDbs: number;
  readonly regionBits: number;
  /** The share of a measured rate to plan with. */
  readonly utilisation: number;
}

/** Measured sizes and rates. A rate that was never measured is null. */
export interface Measured {
  /** Size of a stored link, with its part of indexes and free space. */
  readonly rowBytes: number;
  /** Size of a link in a mapper's memory. */
  readonly cacheBytesPerLink: number;
  readonly shortensPerSecond: number | null;
  readonly redirectsPerSecond: number | null;
  /** Keys a second that one holder delivers from its keys-db to the pools. */
  readonly deliveredPerSecond: number | null;
  readonly generatedPerSecond: number | null;
  readonly pools: PoolLimits;
  readonly shardsPerProducer: number;
}

export interface CapacityPlan {
  readonly writesPerSecond: { readonly average: number; readonly peak: number };
  readonly readsPerSecond: { readonly average: number; readonly peak: number };
  readonly links: number;
  readonly storage: {
    readonly totalBytes: number;
    readonly perShardBytes: number;
    /** Until the shards are full, at this rate. */
    readonly yearsUntilFull: number;
    readonly shardsNeeded: number;
  };
  readonly cache: { readonly links: number; readonly totalBytes: number };
  readonly keySpace: {
    /** All texts of the length of a key. */
    readonly keys: number;
    readonly usedShare: number;
    /** With the configured keys-dbs, and with as many as the key space allows. Some texts are never keys. */
    readonly yearsUntilExhausted: { readonly configured: number; readonly all: number };
  };
  readonly pools: {
    readonly low: number;
    readonly high: number;
    /** How long full pools serve the peak when all producers are down. */
    readonly secondsHeld: number;
  };
  /** Null when a rate was never measured. */
  readonly mapperProcesses: number | null;
  readonly producers: number | null;
}

const SECONDS_PER_YEAR = 365 * 86_400;
/** The least number of processes, so that one of them may fail. */
const LEAST = 2;

/** Computes the size of a cluster. Pure. */
export function planCapacity(demand: Demand, measured: Measured): CapacityPlan {
  const { peakFactor, utilisation } = demand;
  const writes = demand.linksPerYear / SECONDS_PER_YEAR;
  const reads = writes * demand.readsPerWrite;
  const [peakWrites, peakReads] = [writes * peakFactor, reads * peakFactor];
  const links = demand.linksPerYear * demand.years;
  const totalBytes = links * measured.rowBytes;
  const cached = links * demand.cacheShare;
  const keys = 64 ** demand.keyLength;
  const generated = keys * SHARE_WITH_KEY;
  const generatedOfShard = generated / 2 ** demand.regionBits;
  const { low, high } = watermarks(peakWrites / demand.redisShards, measured.pools);
  return {
    writesPerSecond: { average: writes, peak: peakWrites },
    readsPerSecond: { average: reads, peak: peakReads },
    links,
    storage: {
      totalBytes,
      perShardBytes: totalBytes / demand.shards,
      yearsUntilFull: (demand.shards * demand.shardBytes) / (demand.linksPerYear * measured.rowBytes),
      shardsNeeded: Math.ceil(totalBytes / demand.shardBytes),
    },
    cache: { links: cached, totalBytes: cached * measured.cacheBytesPerLink },
    keySpace: {
      keys,
      usedShare: links / keys,
      yearsUntilExhausted: {
        configured: (generatedOfShard * demand.keysDbs) / demand.linksPerYear,
        all: generated / demand.linksPerYear,
      },
    },
    pools: { low, high, secondsHeld: (high * demand.redisShards) / peakWrites },
    mapperProcesses: countOf([
      [peakWrites, measured.shortensPerSecond],
      [peakReads, measured.redirectsPerSecond],
    ]),
    producers: producersFor(),
  };

  /** Every process does a share of each kind of work, so the processes that each kind needs add up. */
  function countOf(
    work: readonly (readonly [perSecond: number, measuredRate: number | null])[],
  ): number | null {
    let processes = 0;
    for (const [perSecond, rate] of work) {
      if (rate === null) return null;
      processes += perSecond / (rate * utilisation);
    }
    return Math.max(LEAST, Math.ceil(processes));
  }

  /** Enough to deliver and to generate, and to hold every shard while one producer is down. */
  function producersFor(): number | null {
    const busy = countOf([
      [peakWrites, measured.deliveredPerSecond],
      [peakWrites, measured.generatedPerSecond],
    ]);
    return busy === null ? null : Math.max(busy, Math.ceil(demand.keysDbs / measured.shardsPerProducer) + 1);
  }
}
