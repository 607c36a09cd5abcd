import { median } from '../../runtime/statistics.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { keySequence } from '../load/key-sequence.ts';
import type { LatencyResult, LatencyTask } from '../load/latency-main.ts';
import { LatencyClient } from '../load/latency.ts';
import { SHORTEN_BODY } from '../load/requests.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { trendOf, type Trend } from '../method/statistics.ts';
import { residentBytesOf } from '../world/cpu.ts';
import { inspectableAt, readLiveMemory, type LiveMemory } from '../world/garbage.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const MIB = 2 ** 20;
const WINDOW_S = 10;
/**
 * `collectEvery`: windows from one reading of the memory to the next. `warmUp`: for ten minutes V8 still
 * compiles, ever more slowly, and its code grows. After five minutes the growth is still large enough to look
 * like a leak.
 */
const FULL = { links: 100_000, warmUp: 60, windows: 120, windowS: WINDOW_S, collectEvery: 6 };
const QUICK = { links: 10_000, warmUp: 1, windows: 4, windowS: 1, collectEvery: 1 };
const READS_PER_WRITE = 5;
const PATHS = 12_000;
/**
 * Share of the rate that the mapper reaches at the start. The neighbours of a virtual machine may halve that
 * rate for minutes, and the figures of an overloaded server would show only the overload.
 */
const LOAD_SHARE = 1 / 4;
/**
 * A client that never sleeps would take one of two cores, and the six servers would wait for the other one.
 */
const PACE = { restMs: 1, leadInMs: 500 };
/** Small, so that the cache is full long before the warm-up ends. A cache that fills is no leak. */
const CACHE_BYTES = 4 * MIB;
/** A significant rise still counts as none below this share: in an hour (memory), in the whole run (p99). */
const MEMORY_PER_HOUR = 0.02;
const P99_DRIFT = 0.1;

/**
 * Twenty minutes of reads and writes at a part of the mapper's maximum rate, which show whether anything
 * grows.
 *
 * The judged memory is what is left after all garbage was collected, once a minute, without load. Between two
 * collections the resident memory rises for minutes and then falls by a third, so that a trend over twenty
 * minutes would be chance.
 */
export const soak: Bench = {
  name: 'soak',
  does: `20 minutes of mixed load, ${READS_PER_WRITE} redirects to 1 shorten: memory slope and p99 drift`,
  long: true,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const { links, warmUp, windows, windowS, collectEvery } = context.quick ? QUICK : FULL;
  const cluster = await context.privateCluster();
  await cluster.links.fill(links, context);
  using ports = new DisposableStack();
  const inspector = ports.adopt(await reserveAnyPort(), (reserved) => reserved.release());
  const settings = { KEYMILL_CACHE_MAX_BYTES: String(CACHE_BYTES), ...inspectableAt(inspector.port) };
  await using mapper = await startMapper(cluster, context.signal, settings);
  await using client = new LatencyClient(context.signal);
  let seed = 0;
  const keys = cluster.links.keys(0, links);
  const load = async (perSecond?: number): Promise<LatencyResult> => {
    const sequence = keySequence({ links, alpha: 1, unknownShare: 0, count: PATHS, seed: ++seed });
    const task: LatencyTask = {
      url: mapper.url,
      paths: Array.from(sequence, (index) => `/${keys[index]}`),
      body: SHORTEN_BODY,
      readsPerWrite: READS_PER_WRITE,
      connections: CONNECTIONS,
      durationMs: windowS * 1_000,
      ...PACE,
    };
    return client.run(perSecond === undefined ? task : { ...task, perSecond });
  };
  await load();
  const perSecond = (await load()).perSecond * LOAD_SHARE;
  const progress = context.progress('soak', warmUp + windows, 'windows');
  const seen: { p99Ms: number; resident: number; perSecond: number }[] = [];
  const live: LiveMemory[] = [];
  for (let i = 0; i <= warmUp + windows; i++) {
    context.signal.throwIfAborted();
    const judged = i - warmUp;
    if (judged >= 0 && judged % collectEvery === 0)
      live.push(await readLiveMemory(mapper.pid, inspector.port));
    if (judged === windows) break;
    const { p99Ms, perSecond: reached } = await load(perSecond);
    if (judged >= 0) seen.push({ p99Ms, resident: residentBytesOf(mapper.pid), perSecond: reached });
    progress.update(i + 1);
  }
  progress.stop();
  const everyS = windowS * collectEvery;
  const resident = judgeMemory(
    live.map((memory) => memory.resident),
    everyS,
  );
  const heap = judgeMemory(
    live.map((memory) => memory.heap),
    everyS,
  );
  const p99Ms = median(seen.map((window) => window.p99Ms));
  const drift = scaled(trendOf(seen.map((window) => window.p99Ms)), windows);
  const isFlat = resident.isFlat && heap.isFlat;
  const isSteady = !rises(drift, P99_DRIFT * p99Ms);
  const half = Math.floor(seen.length / 2);
  const rateOf = (some: typeof seen): number => median(some.map((window) => window.perSecond));
  const highestOf = (some: typeof seen): number =>
    round(Math.max(...some.map((window) => window.resident)) / MIB);
  return {
    ...toRow({
      name: 'soak',
      unit: 'MiB/hour',
      value: resident.perHour.slope / MIB,
      samples: [],
      interval: inMib(resident.perHour.interval),
      baseline: 'resident when all garbage has been collected, in MiB',
      baselineValue: resident.medianBytes / MIB,
      control: rateOf(seen.slice(0, half)) / rateOf(seen.slice(half)),
      better: 'lower',
      holds: isFlat && isSteady,
      details: {
        perSecond: round(perSecond),
        seconds: windows * windowS,
        warmUpSeconds: warmUp * windowS,
        p99Ms: round(p99Ms),
        p99DriftMs: round(drift.slope),
        p99DriftInterval: drift.interval.map(round),
        heapMiB: round(heap.medianBytes / MIB),
        heapMiBPerHour: round(heap.perHour.slope / MIB),
        heapInterval: inMib(heap.perHour.interval).map(round),
        eachMinuteMiB: {
          resident: live.map((memory) => round(memory.resident / MIB)),
          heap: live.map((memory) => round(memory.heap / MIB)),
        },
        eachWindowP99Ms: seen.map((window) => round(window.p99Ms)),
        highestResidentMiB: [highestOf(seen.slice(0, half)), highestOf(seen.slice(half))],
        memory: isFlat ? 'flat' : 'rises',
        p99: isSteady ? 'no drift' : 'drifts',
        test: `Theil–Sen slope, of p99 over windows of ${windowS} s, of memory over collections every ${everyS} s, 95 % interval by Kendall’s S: rises only if the interval lies above 0 and the slope above ${MEMORY_PER_HOUR * 100} % of it (resident, or heap) in an hour, ${P99_DRIFT * 100} % of p99 in the whole run`,
      },
    }),
  };
}

function scaled({ slope, interval: [low, high] }: Trend, factor: number): Trend {
  return { slope: slope * factor, interval: [low * factor, high * factor] };
}

interface MemoryTrend {
  readonly medianBytes: number;
  readonly perHour: Trend;
  readonly isFlat: boolean;
}

/** @param values bytes, read every `everyS` seconds. Pure. */
export function judgeMemory(values: readonly number[], everyS: number): MemoryTrend {
  const medianBytes = median(values);
  const perHour = scaled(trendOf(values), 3_600 / everyS);
  return { medianBytes, perHour, isFlat: !rises(perHour, MEMORY_PER_HOUR * medianBytes) };
}

function inMib([low, high]: readonly [number, number]): [number, number] {
  return [low / MIB, high / MIB];
}

/** Whether a trend is significant, and steeper than `minded`. Pure. */
export function rises({ slope, interval: [low] }: Trend, minded: number): boolean {
  return low > 0 && slope > minded;
}
