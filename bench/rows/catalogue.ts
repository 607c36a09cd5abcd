import type { Bench } from './bench.ts';
import { bulk } from './bulk.ts';
import { bulkMemory, exportMemory } from './bulk-memory.ts';
import { cacheHitRate, cacheMemory } from './cache.ts';
import { claim } from './claim.ts';
import { clickCpu } from './click-dimensions.ts';
import { clickTail } from './click-tail.ts';
import { clickMemory } from './click-memory.ts';
import { clicks } from './clicks.ts';
import { deliver } from './deliver.ts';
import { generate } from './generate.ts';
import { growth } from './growth.ts';
import { imageDecoding } from './image-decoding.ts';
import { imageMapperMemory } from './image-mapper-memory.ts';
import { imageUpload } from './image-upload.ts';
import { imageDisk } from './image-disk.ts';
import { imageMemory } from './image-memory.ts';
import { importRows } from './import.ts';
import { invalidation } from './invalidation.ts';
import { permute } from './permute.ts';
import { processes } from './processes.ts';
import { redirectBesideListeners } from './redirect-beside-listeners.ts';
import { redirectBesidePages } from './redirect-beside-pages.ts';
import { redirectBesideSignIns } from './redirect-beside-sign-ins.ts';
import { redirectCold } from './redirect-cold.ts';
import { redirectHot } from './redirect-hot.ts';
import { redirectTail } from './redirect-tail.ts';
import { redirectZipf } from './redirect-zipf.ts';
import { shortenCounter } from './shorten-counter.ts';
import { shortenKeyed } from './shorten-keyed.ts';
import { shortenLatency } from './shorten-latency.ts';
import { shortenLimited } from './shorten-limited.ts';
import { shortenSaturation } from './shorten-saturation.ts';
import { shortenTakes } from './shorten-takes.ts';
import { shorten, shortenBatch, shortenHttp } from './shorten.ts';
import { smallMemory } from './small-memory.ts';
import { soak } from './soak.ts';
import { stampede } from './stampede.ts';

/** All benches, in the order in which they run. */
export const BENCHES: readonly Bench[] = [
  permute,
  claim,
  deliver,
  generate,
  redirectHot,
  redirectZipf,
  redirectCold,
  redirectTail,
  redirectBesideSignIns,
  redirectBesideListeners,
  redirectBesidePages,
  stampede,
  cacheHitRate,
  cacheMemory,
  shorten,
  shortenHttp,
  shortenBatch,
  shortenCounter,
  shortenKeyed,
  shortenLimited,
  shortenLatency,
  shortenSaturation,
  shortenTakes,
  bulk,
  bulkMemory,
  exportMemory,
  clicks,
  clickCpu,
  clickTail,
  clickMemory,
  imageUpload,
  imageDecoding,
  imageMapperMemory,
  imageMemory,
  imageDisk,
  importRows,
  processes,
  invalidation,
  smallMemory,
  soak,
  growth,
];
