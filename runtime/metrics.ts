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
import { exposeEventLoopLag } from './event-loop-lag.ts';
import { Distribution, Tally } from './tallies.ts';

/** The prefix of every metric. Callers leave it out. */
export const METRIC_PREFIX = 'keymill_';

/** Seconds; from half a millisecond (a cached redirect) to ten seconds (a takeover after host loss). */
export const LATENCY_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** The metrics of several processes in one. */
export type MergedMetrics = Pick<Metrics, 'text' | 'snapshot'>;

/** The metrics of a process at one moment, as plain data. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

/**
 * The metrics of a process. They are an object and not a global registry, so that one test may have several.
 */
export interface Metrics {
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /**
   * @param collect called at every scrape, for values that are read only then
   * @param merge how the values of several processes of one mapper are combined
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
  /** A counter for events of every request, because counting is one addition. */
  tally<L extends string>(name: string, help: string, labels: readonly L[]): Tally<L>;
  /** A histogram for events of every request. */
  distribution(name: string, help: string, bounds?: readonly number[]): Distribution;
  /** All metrics in the Prometheus text format. */
  text(): Promise<string>;
  /**
   * Metrics as data, to be merged in another process.
   * @param names only these are needed. To collect all takes milliseconds, and opens files. Default: all
   */
  snapshot(names?: readonly string[]): Promise<MetricsSnapshot>;
  readonly contentType: string;
}

/** The longest that a timer takes. */
const NEVER_MS = 2 ** 31 - 1;

/** A new registry that already contains the figures of the process: memory, event loop lag, open files. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({
    register: registry,
    prefix: METRIC_PREFIX,
    eventLoopMonitoringPrecision: NEVER_MS,
  });
  exposeEventLoopLag(registry, METRIC_PREFIX);
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
    snapshot: async (names) =>
      names === undefined
        ? registry.getMetricsAsJSON()
        : Promise.all(
            names.flatMap((name) => {
              const metric = registry.getSingleMetric(METRIC_PREFIX + name);
              return metric === undefined ? [] : [metric.get()];
            }),
          ),
    contentType: registry.contentType,
  };
}

/**
 * The metrics of several processes as one: counters and histograms are added, gauges combined as declared.
 */
export function mergeMetrics(snapshots: readonly MetricsSnapshot[]): MergedMetrics {
  const merged = merge(snapshots);
  return { text: async () => merged.metrics(), snapshot: async () => merged.getMetricsAsJSON() };
}

/** The metrics to keep of processes that have ended: counters and histograms. */
export async function lastingOf(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const metrics = await merge(snapshots).getMetricsAsJSON();
  // At run time the type is a string, unlike its declaration.
  return metrics.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
}

function merge(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate([...snapshots]);
}

/**
 * A metric as the registry needs it. The histogram of prom-client can only be filled one observation at a
 * time.
 */
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
