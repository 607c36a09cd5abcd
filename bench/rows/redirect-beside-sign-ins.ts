import { LatencyClient } from '../load/latency.ts';
import { measure, typicalOf, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const PER_SECOND = 5_000;
/** More than the queue of passwords takes, so that it is full all the time. */
const SIGN_INS = 20;
/** A tail of this time is good, however short it is without sign-ins. */
const GOOD_MS = 5;

/** Hashing passwords is the one thing that costs much CPU. It must not make people wait who follow links. */
export const redirectBesideSignIns: Bench = {
  name: 'redirect-beside-sign-ins',
  does: 'p99 of 5,000 cached redirects/s, open loop, while people sign in as fast as they can',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths } = await hotLinks(cluster, context);
  await using mapper = await startMapper(cluster, context.signal);
  await using client = new LatencyClient(context.signal);
  const follow = async (seconds: number): Promise<number> => {
    const durationMs = seconds * 1_000;
    const task = { url: mapper.url, paths, connections: CONNECTIONS, durationMs, perSecond: PER_SECOND };
    return (await client.run(task)).p99Ms;
  };
  const signIns: SignIns = { checked: 0, refused: 0 };
  const beside: Arm<number> = {
    name: 'beside',
    run: async (seconds) => {
      const stopping = new AbortController();
      const signal = AbortSignal.any([stopping.signal, context.signal]);
      const loops = Array.from({ length: SIGN_INS }, async () => signInUntil(mapper.url, signal, signIns));
      try {
        return await follow(seconds);
      } finally {
        stopping.abort();
        await Promise.all(loops);
      }
    },
  };
  const measurement = await measure(context, {
    name: 'redirect-beside-sign-ins',
    arms: [beside, { name: 'alone', run: follow }],
    watched: [{ quantity: 'tail', of: (p99Ms) => p99Ms }],
    rounds: 20,
    // The mapper still works on the sign-ins that waited at the end of a window.
    quiesce: async () => cluster.quiesce(context.signal, [mapper.pid]),
  });
  const aloneMs = typicalOf(measurement.sequence, 'alone', (p99Ms) => p99Ms);
  return toPairedRow({
    name: 'redirect-beside-sign-ins',
    unit: 'ms',
    measurement,
    ours: 'beside',
    beside: 'alone',
    of: (p99Ms) => p99Ms,
    baseline: 'p99 of the same redirects without sign-ins',
    better: 'lower',
    goal: Math.max(2, GOOD_MS / aloneMs),
    fault: faultOf(signIns),
    details: { perSecond: PER_SECOND, connections: CONNECTIONS, ...signIns },
  });
}

function faultOf({ checked, refused }: Readonly<SignIns>): string | undefined {
  if (checked === 0) return 'no password was checked';
  return refused === 0 ? 'no sign-in was refused: the queue of passwords was never full' : undefined;
}

/** Answers to sign-ins so far. */
interface SignIns {
  checked: number;
  /** With 503. */
  refused: number;
}

/** Signs in again and again, as a user who does not exist: that costs the same work. */
async function signInUntil(url: string, signal: AbortSignal, counts: SignIns): Promise<void> {
  while (!signal.aborted) {
    const answer = await fetch(`${url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'nobody@example.com', password: 'a wrong password' }),
      signal,
    }).catch(() => undefined);
    await answer?.arrayBuffer().catch(() => undefined);
    if (answer?.status === 401) counts.checked += 1;
    else if (answer?.status === 503) {
      counts.refused += 1;
      // A client that obeys Retry-After would come back even later.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
