import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Every metric's name begins with this; callers leave it out. */
export const METRIC_PREFIX = 'keymill_';

/** Seconds; from half a millisecond (a cached redirect) to ten seconds (a takeover after host loss). */
export const LATENCY_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** One process's metrics. An object handed down, never a module-level registry: two of them can live in one test. */
export interface Metrics {
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /** @param collect called at every scrape, for values that are read off rather than kept */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: (gauge: Gauge<L>) => void,
  ): Gauge<L>;
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: number[],
  ): Histogram<L>;
  /** The Prometheus text exposition of everything. */
  text(): Promise<string>;
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
    ) => {
      const gauge: Gauge<L> = new Gauge<L>({
        name: METRIC_PREFIX + name,
        help,
        labelNames: labels,
        registers,
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
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
