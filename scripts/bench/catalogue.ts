import { cacheHitRate, cacheMemory } from './cache.ts';
import { claim } from './claim.ts';
import { deliver } from './deliver.ts';
import { generate } from './generate.ts';
import { redirect, shorten } from './http.ts';
import { permute } from './permute.ts';
import type { Bench } from './row.ts';

/** Every bench there is, in the order in which they run. */
export const BENCHES: readonly Bench[] = [
  permute,
  claim,
  deliver,
  generate,
  shorten,
  redirect,
  cacheHitRate,
  cacheMemory,
];
