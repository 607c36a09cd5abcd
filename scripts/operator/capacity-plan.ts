import { watermarks, type WatermarkLimits } from '../../producer/pools/watermarks.ts';

/** What is asked for. */
export interface Demand {
  readonly linksPerYear: number;
  readonly years: number;
  readonly readsPerWrite: number;
  /** The busiest moment ÷ the average. */
  readonly peakFactor: number;
  /** Of all links stored at the end, so many are to be in memory. */
  readonly cacheShare: number;
  /** Machines that the 32 slots are spread over, and how much each may hold. */
  readonly shards: number;
  readonly shardBytes: number;
  readonly redisShards: number;
  readonly keyLength: number;
  readonly keysDbs: number;
  readonly regionBits: number;
  /** How much of a measured rate is planned with. */
  readonly utilisation: number;
}

/** What one thing costs or does, as measured. A rate that nobody has measured is null. */
export interface Measured {
  /** Of a stored link, index and free space included. */
  readonly rowBytes: number;
  /** Of a link in a mapper's memory. */
  readonly cacheBytesPerLink: number;
  readonly shortensPerSecond: number | null;
  readonly redirectsPerSecond: number | null;
  /** One holder, from keys-db to pools. */
  readonly deliveredPerSecond: number | null;
  readonly generatedPerSecond: number | null;
  readonly pools: WatermarkLimits;
  readonly shardsPerProducer: number;
}

export interface CapacityPlan {
  readonly writesPerSecond: { readonly average: number; readonly peak: number };
  readonly readsPerSecond: { readonly average: number; readonly peak: number };
  readonly links: number;
  readonly storage: {
    readonly totalBytes: number;
    readonly perShardBytes: number;
    /** Until the shards are full, at the same rate for ever. */
    readonly yearsUntilFull: number;
    readonly shardsNeeded: number;
  };
  readonly cache: { readonly links: number; readonly totalBytes: number };
  readonly keySpace: {
    readonly keys: number;
    readonly usedShare: number;
    /** With the keys-dbs there are; with as many as there can be. */
    readonly yearsUntilExhausted: { readonly configured: number; readonly all: number };
  };
  readonly pools: {
    readonly low: number;
    readonly high: number;
    /** How long full pools feed the peak when no producer lives. */
    readonly secondsHeld: number;
  };
  /** null where a rate was never measured. */
  readonly mapperProcesses: number | null;
  readonly producers: number | null;
}

const SECONDS_PER_YEAR = 365 * 86_400;
/** One may die. */
const LEAST = 2;

/** The arithmetic of a cluster's size. Pure. */
export function planCapacity(demand: Demand, measured: Measured): CapacityPlan {
  const { peakFactor, utilisation } = demand;
  const writes = demand.linksPerYear / SECONDS_PER_YEAR;
  const reads = writes * demand.readsPerWrite;
  const [peakWrites, peakReads] = [writes * peakFactor, reads * peakFactor];
  const links = demand.linksPerYear * demand.years;
  const totalBytes = links * measured.rowBytes;
  const cached = links * demand.cacheShare;
  const keys = 64 ** demand.keyLength;
  const keysOfShard = keys / 2 ** demand.regionBits;
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
        configured: (keysOfShard * demand.keysDbs) / demand.linksPerYear,
        all: keys / demand.linksPerYear,
      },
    },
    pools: { low, high, secondsHeld: (high * demand.redisShards) / peakWrites },
    mapperProcesses: countOf([
      [peakWrites, measured.shortensPerSecond],
      [peakReads, measured.redirectsPerSecond],
    ]),
    producers: producersFor(),
  };

  /** Every process takes its part of each kind of work, so the parts of a process they need add up. */
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

  /** Enough to deliver and to generate, and enough to hold every shard while one of them is gone. */
  function producersFor(): number | null {
    const busy = countOf([
      [peakWrites, measured.deliveredPerSecond],
      [peakWrites, measured.generatedPerSecond],
    ]);
    return busy === null ? null : Math.max(busy, Math.ceil(demand.keysDbs / measured.shardsPerProducer) + 1);
  }
}
