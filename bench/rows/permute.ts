import { randomBytes } from 'node:crypto';
import type { Keyspace } from '../../db/keyspace/key.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { benchKeyspace } from '../servers/environment.ts';
import { type Bench, type BenchContext } from './bench.ts';

const BATCH = 10_000;
const WINDOW_MS = 300;
const WINDOWS = 10;
const KEY_LENGTH = 8;

/** Computes keys from ids, batch by batch, without any store. */
export const permute: Bench = {
  name: 'permute',
  does: 'keys computed from ids on one core, beside random keys, which may collide',
  long: false,
  run: async (context) => measure(context),
};

function measure(context: BenchContext): BenchRow {
  context.say('permute: computing keys');
  const keyspace = benchKeyspace();
  // Warm up the compiler.
  rateOf(() => permuteBatch(keyspace, 0));
  rateOf(randomBatch);
  const before = rateOf(randomBatch);
  const samples = Array.from({ length: WINDOWS }, () => {
    context.signal.throwIfAborted();
    return rateOf((batch) => permuteBatch(keyspace, batch));
  });
  const after = rateOf(randomBatch);
  return toRow({
    name: 'permute',
    unit: 'keys/s',
    samples,
    baseline: 'random bytes spelled as keys of the same length',
    baselineValue: (before + after) / 2,
    control: after / before,
  });
}

/** Keys per second of `makeBatch`, over {@link WINDOW_MS}. */
function rateOf(makeBatch: (batch: number) => unknown): number {
  const startedMs = monotonicMs();
  let batches = 0;
  while (monotonicMs() - startedMs < WINDOW_MS) makeBatch(batches++);
  return (batches * BATCH * 1_000) / (monotonicMs() - startedMs);
}

function permuteBatch(keyspace: Keyspace, batch: number): string[] {
  return keyspace.keysOf(0, 1 + batch * BATCH, BATCH);
}

function randomBatch(): string[] {
  const text = randomBytes((BATCH * KEY_LENGTH * 6) / 8).toString('base64url');
  return Array.from({ length: BATCH }, (_, i) => text.slice(i * KEY_LENGTH, (i + 1) * KEY_LENGTH));
}
