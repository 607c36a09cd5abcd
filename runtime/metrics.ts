import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
  type Metric,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client';
import { Distribution, Tally } from './tallies.ts';

/** Every metric's name begins with this; callers leave it out. */
export const METRIC_PREFIX = 'keymill_';

/** Seconds; from half a millisecond (a cached redirect) to ten seconds (a takeover after host loss). */
export const LATENCY_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** One process's metrics at one moment, as plain data. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

/** One process's metrics. An object handed down, never a module-level registry: two of them can live in one test. */
export interface Metrics {
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /**
   * @param collect called at every scrape, for values that are read off rather than kept
   * @param merge what is shown of several processes that stand for one
   */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: (gauge: Gauge<L>) => void,
    merge?: 'sum' | 'max' | 'min',
  ): Gauge<L>;
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: number[],
  ): Histogram<L>;
  /** A counter for what happens at every request: counting is one addition. */
  tally<L extends string>(name: string, help: string, labels: readonly L[]): Tally<L>;
  /** A histogram for what happens at every request. */
  distribution(name: string, help: string, bounds?: readonly number[]): Distribution;
  /** The Prometheus text exposition of everything. */
  text(): Promise<string>;
  /** Everything as data, to be merged in another process. */
  snapshot(): Promise<MetricsSnapshot>;
  readonly contentType: string;
}

/** A fresh registry with the process's own figures (memory, event loop lag, open files) already in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: METRIC_PREFIX });
  const registers = [registry];
  return {
    counter: <L extends string>(name: string, help: string, labels: readonly L[] = []) =>
      new Counter<L>({ name: METRIC_PREFIX + name, help, labelNames: labels, registers }),
    gauge: <L extends string>(
      name: string,
      help: string,
      labels: readonly L[] = [],
      collect?: (gauge: Gauge<L>) => void,
      merge: 'sum' | 'max' | 'min' = 'sum',
    ) => {
      const gauge: Gauge<L> = new Gauge<L>({
        name: METRIC_PREFIX + name,
        help,
        labelNames: labels,
        registers,
        aggregator: merge,
        ...(collect ? { collect: () => collect(gauge) } : {}),
      });
      return gauge;
    },
    histogram: <L extends string>(
      name: string,
      help: string,
      labels: readonly L[] = [],
      buckets: number[] = LATENCY_BUCKETS,
    ) => new Histogram<L>({ name: METRIC_PREFIX + name, help, labelNames: labels, buckets, registers }),
    tally: <L extends string>(name: string, help: string, labels: readonly L[]) => {
      const tally = new Tally<L>();
      const counter: Counter<L> = new Counter<L>({
        name: METRIC_PREFIX + name,
        help,
        labelNames: labels,
        registers,
        collect: () => {
          counter.reset();
          tally.forEach((series, count) => counter.inc(series, count));
        },
      });
      return tally;
    },
    distribution: (name, help, bounds = LATENCY_BUCKETS) => {
      const distribution = new Distribution(bounds);
      registry.registerMetric(exposeDistribution(METRIC_PREFIX + name, help, distribution));
      return distribution;
    },
    text: () => registry.metrics(),
    snapshot: async () => registry.getMetricsAsJSON(),
    contentType: registry.contentType,
  };
}

/** Several processes' metrics as those of one: counters and histograms are added up, gauges as each was declared to be. */
export function mergeMetrics(snapshots: readonly MetricsSnapshot[]): { text(): Promise<string> } {
  const merged = merge(snapshots);
  return { text: async () => merged.metrics() };
}

/** What must not be forgotten of processes that have ended: their counters and histograms. */
export async function lastingOf(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const metrics = await merge(snapshots).getMetricsAsJSON();
  // As the merged registry has it, a type is a word.
  return metrics.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
}

function merge(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate([...snapshots]);
}

/** What the registry asks of a metric: prom-client's own histogram can only be filled one observation at a time. */
function exposeDistribution(name: string, help: string, distribution: Distribution): Metric {
  const get = () => {
    const cumulated = distribution.cumulated();
    const total = cumulated.at(-1) ?? 0;
    const buckets = [...distribution.bounds, '+Inf'].map((le, index) => ({
      labels: { le },
      value: cumulated[index] ?? total,
      metricName: `${name}_bucket`,
    }));
    const values = [
      ...buckets,
      { labels: {}, value: distribution.sum, metricName: `${name}_sum` },
      { labels: {}, value: total, metricName: `${name}_count` },
    ];
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  };
  return { name, get, reset: () => undefined } as unknown as Metric;
}
