import { cacheHitRate, cacheMemory } from './cache.ts';
import { claim } from './claim.ts';
import { deliver } from './deliver.ts';
import { generate } from './generate.ts';
import { permute } from './permute.ts';
import type { Bench } from './row.ts';
import { clicks } from './rows/clicks.ts';
import { growth } from './rows/growth.ts';
import { invalidation } from './rows/invalidation.ts';
import { processes } from './rows/processes.ts';
import { redirectCold } from './rows/redirect-cold.ts';
import { redirectHot } from './rows/redirect-hot.ts';
import { redirectTail } from './rows/redirect-tail.ts';
import { redirectZipf } from './rows/redirect-zipf.ts';
import { shortenLatency } from './rows/shorten-latency.ts';
import { shortenSaturation } from './rows/shorten-saturation.ts';
import { shortenTakes } from './rows/shorten-takes.ts';
import { shorten, shortenBatch, shortenHttp } from './rows/shorten.ts';
import { soak } from './rows/soak.ts';
import { stampede } from './rows/stampede.ts';

/** Every bench there is, in the order in which they run. */
export const BENCHES: readonly Bench[] = [
  permute,
  claim,
  deliver,
  generate,
  redirectHot,
  redirectZipf,
  redirectCold,
  redirectTail,
  stampede,
  cacheHitRate,
  cacheMemory,
  shorten,
  shortenHttp,
  shortenBatch,
  shortenLatency,
  shortenSaturation,
  shortenTakes,
  clicks,
  processes,
  invalidation,
  soak,
  growth,
];
