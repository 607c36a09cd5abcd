import { join } from 'node:path';
import { mean } from '../../runtime/statistics.ts';
import { simulateHitRate } from '../cache/hit-rate.ts';
import type { MemoryPerLink } from '../cache/memory-per-link.ts';
import { Child } from '../load/child.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { type Bench, type BenchContext } from './bench.ts';

const LINKS = 1_000_000;
const CACHED = LINKS / 100;
const SEGMENTS = 10;
const SEGMENT_REQUESTS = 100_000;
const WARM_UP = 4_000_000;
const ALPHAS = [0.7, 0.9, 1] as const;
const SEED = 7;
const MEMORY_BYTES = 22 * 2 ** 20;
const MEMORY_PROCESS = join(import.meta.dirname, '../cache/memory-per-link-main.ts');
const MEMORY_TIMEOUT_MS = 120_000;

/** The row is the worst of three skews; its details hold all of them. */
export const cacheHitRate: Bench = {
  name: 'cache-hit-rate',
  does: 'hits of the link cache on Zipf requests at α = 0.7, 0.9 and 1.0, beside the best content that never changes',
  long: false,
  run: async (context) => measureHitRates(context),
};

function measureHitRates(context: BenchContext): BenchRow {
  const runs = ALPHAS.map((alpha) => {
    context.signal.throwIfAborted();
    context.say(`cache-hit-rate: ${WARM_UP + SEGMENTS * SEGMENT_REQUESTS} requests at α = ${alpha}`);
    const shape = { links: LINKS, cached: CACHED, warmUp: WARM_UP, requests: SEGMENTS * SEGMENT_REQUESTS };
    const { segments, best } = simulateHitRate({ alpha, ...shape, segment: SEGMENT_REQUESTS, seed: SEED });
    return { alpha, best, hitRate: mean(segments), ratios: segments.map((hitRate) => hitRate / best) };
  });
  const worst = runs.reduce((a, b) => (mean(a.ratios) <= mean(b.ratios) ? a : b));
  return toRow({
    name: 'cache-hit-rate',
    unit: 'of the best',
    samples: worst.ratios,
    baseline: 'the most popular 1 % of a million links, held for ever, at the worst of three skews',
    baselineValue: 1,
    control: 1,
    goal: 0.98,
    details: {
      alphas: runs.map(({ alpha, best, hitRate, ratios }) => ({
        alpha,
        hitRate,
        best,
        ratio: mean(ratios),
      })),
    },
  });
}

export const cacheMemory: Bench = {
  name: 'cache-memory',
  does: 'memory of a link in the full cache, heap and external, beside a plain Map of the same strings',
  long: false,
  run: async (context) => {
    context.say('cache-memory: filling a cache twice over, then a Map');
    await using child = new Child('cache-memory', MEMORY_PROCESS, context.signal);
    const { cache, map, accounted, links } = await child.ask<MemoryPerLink>(MEMORY_BYTES, MEMORY_TIMEOUT_MS);
    return toRow({
      name: 'cache-memory',
      unit: 'of a Map',
      samples: [cache / map],
      baseline: 'a plain Map of the same strings',
      baselineValue: 1,
      control: 1,
      better: 'lower',
      goal: 1.5,
      details: { bytesPerLink: cache, mapBytesPerLink: map, accountedBytesPerLink: accounted, links },
    });
  },
};
