import { monotonicMs } from '../clock.ts';
import { LATENCY_BUCKETS, METRIC_PREFIX, type Metrics, type MetricsSnapshot } from '../metrics.ts';
import {
  FIGURE_NAMES,
  LATENCY_NAMES,
  type FigureName,
  type Figures,
  type LatencyName,
  type Rates,
} from './seen.ts';

/** Which values of which metric make a figure. */
interface Origin {
  readonly metric: string;
  readonly results?: readonly string[];
}

const ORIGINS: Readonly<Record<FigureName, Origin>> = {
  created: { metric: 'shortens_total', results: ['created', 'found', 'replayed'] },
  refused: { metric: 'shortens_total', results: ['invalid', 'taken', 'limited'] },
  failed: { metric: 'shortens_total', results: ['no_keys', 'overloaded', 'unavailable', 'error'] },
  followed: { metric: 'redirects_total', results: ['found'] },
  notFound: { metric: 'redirects_total', results: ['unknown', 'expired', 'deleted', 'disabled', 'blocked'] },
  lost: { metric: 'redirects_total', results: ['unavailable', 'error'] },
  delivered: { metric: 'keys_delivered_total' },
};

const LATENCIES: Readonly<Record<LatencyName, string>> = {
  shorten: 'shorten_seconds',
  redirect: 'redirect_seconds',
};

/** All that {@link figuresOf} reads. */
const METRICS = [...new Set(Object.values(ORIGINS).map(({ metric }) => metric)), ...Object.values(LATENCIES)];

/** The figures of a process, from its metrics. */
export async function readFigures(metrics: Pick<Metrics, 'snapshot'>): Promise<Figures> {
  return figuresOf(await metrics.snapshot(METRICS));
}

/** The figures in the metrics of a process. */
export function figuresOf(snapshot: MetricsSnapshot): Figures {
  const byName = new Map(snapshot.map((metric) => [metric.name, metric.values]));
  const valuesOf = (metric: string) => byName.get(METRIC_PREFIX + metric) ?? [];
  const count = ({ metric, results }: Origin): number =>
    valuesOf(metric)
      .filter(({ labels }) => results === undefined || results.includes(String(labels['result'])))
      .reduce((sum, { value }) => sum + value, 0);
  /** The buckets of a histogram are cumulated, and the last of them counts all. */
  const buckets = (metric: string): number[] => {
    const cumulated = valuesOf(metric)
      .filter((value) => 'metricName' in value && String(value.metricName).endsWith('_bucket'))
      .map(({ value }) => value);
    return cumulated.map((value, index) => value - (cumulated[index - 1] ?? 0));
  };
  return {
    atS: monotonicMs() / 1_000,
    counts: recordOf(FIGURE_NAMES, (name) => count(ORIGINS[name])),
    latencies: recordOf(LATENCY_NAMES, (name) => buckets(LATENCIES[name])),
  };
}

/** What happened between two reports. Undefined if the process was started again in between. */
export function ratesOf(before: Figures, after: Figures): Rates | undefined {
  const seconds = after.atS - before.atS;
  const hasRestarted = FIGURE_NAMES.some((name) => after.counts[name] < before.counts[name]);
  if (seconds <= 0 || hasRestarted) return undefined;
  return {
    perSecond: recordOf(FIGURE_NAMES, (name) => (after.counts[name] - before.counts[name]) / seconds),
    latencies: recordOf(LATENCY_NAMES, (name) =>
      after.latencies[name].map((count, index) => Math.max(0, count - (before.latencies[name][index] ?? 0))),
    ),
  };
}

/** The rates of several processes as one. */
export function sumOfRates(all: readonly Rates[]): Rates {
  return {
    perSecond: recordOf(FIGURE_NAMES, (name) => all.reduce((sum, { perSecond }) => sum + perSecond[name], 0)),
    latencies: recordOf(LATENCY_NAMES, (name) =>
      Array.from({ length: LATENCY_BUCKETS.length + 1 }, (_, index) =>
        all.reduce((sum, { latencies }) => sum + (latencies[name][index] ?? 0), 0),
      ),
    ),
  };
}

/**
 * A quantile of a latency: seconds, interpolated inside its bucket. Undefined when nothing was observed;
 * infinite when it is above all bounds.
 */
export function quantileOf(buckets: readonly number[], quantile: number): number | undefined {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let left = total * quantile;
  for (const [index, count] of buckets.entries()) {
    if (left <= count && count > 0) {
      const upper = LATENCY_BUCKETS[index];
      const lower = index === 0 ? 0 : (LATENCY_BUCKETS[index - 1] as number);
      return upper === undefined ? Infinity : lower + ((upper - lower) * left) / count;
    }
    left -= count;
  }
  return Infinity;
}

/** Reads figures that another process sent. Undefined when they are none. */
export function parseFigures(json: unknown): Figures | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { atS, counts, latencies } = json as Partial<Record<keyof Figures, unknown>>;
  if (typeof atS !== 'number' || !isRecord(counts) || !isRecord(latencies)) return undefined;
  const numberIn = (value: unknown): number => (typeof value === 'number' && value >= 0 ? value : 0);
  const list = (value: unknown): number[] =>
    Array.isArray(value) ? value.slice(0, LATENCY_BUCKETS.length + 1).map(numberIn) : [];
  return {
    atS,
    counts: recordOf(FIGURE_NAMES, (name) => numberIn(counts[name])),
    latencies: recordOf(LATENCY_NAMES, (name) => list(latencies[name])),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function recordOf<K extends string, V>(names: readonly K[], valueOf: (name: K) => V): Record<K, V> {
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<K, V>;
}
