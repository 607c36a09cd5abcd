import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextRound } from 'node:timers/promises';
import { Gauge, type Registry } from 'prom-client';

/** What is said of all rounds of the event loop since the last scrape, in nanoseconds, by its metric. */
const FIGURES: Readonly<Record<string, readonly [Merge, string, (rounds: Rounds) => number]>> = {
  min: ['min', 'The minimum recorded event loop delay.', ({ min }) => min],
  max: ['max', 'The maximum recorded event loop delay.', ({ max }) => max],
  mean: ['average', 'The mean of the recorded event loop delays.', ({ mean }) => mean],
  stddev: ['average', 'The standard deviation of the recorded event loop delays.', ({ stddev }) => stddev],
  p50: ['average', 'The 50th percentile of the recorded event loop delays.', percentile(50)],
  p90: ['average', 'The 90th percentile of the recorded event loop delays.', percentile(90)],
  p99: ['average', 'The 99th percentile of the recorded event loop delays.', percentile(99)],
};

/** How the values of several processes of one mapper are combined. */
type Merge = 'min' | 'max' | 'average';

type Rounds = ReturnType<typeof monitorEventLoopDelay>;

const NS_PER_S = 1e9;

/**
 * Measures how long each round of the event loop takes, without the time in which there is nothing to do.
 * Takes the place of what prom-client measures under the same names: the ticks of a timer that runs a
 * hundred times a second, also in a process that is idle, so that no value is below 10 ms.
 */
export function exposeEventLoopLag(registry: Registry, prefix: string): void {
  const rounds = monitorEventLoopDelay({ samplePerIteration: true });
  rounds.enable();
  const name = (figure: string): string => `${prefix}nodejs_eventloop_lag_${figure}`;
  const add = (figure: string, aggregator: Merge, help: string, collect?: () => Promise<void>): Gauge => {
    registry.removeSingleMetric(name(figure));
    const more = collect === undefined ? {} : { collect };
    return new Gauge({ name: name(figure), help, aggregator, registers: [registry], ...more });
  };
  // The first of them sets all: whoever reads them in turn would reset what the others read.
  const lag = add('seconds', 'average', 'Lag of event loop in seconds.', async () => {
    if (rounds.count > 0) for (const { gauge, read } of gauges) gauge.set(read(rounds) / NS_PER_S);
    rounds.reset();
    const began = performance.now();
    await nextRound();
    lag.set((performance.now() - began) / 1_000);
  });
  const gauges = Object.entries(FIGURES).map(([figure, [aggregator, help, read]]) => ({
    gauge: add(`${figure}_seconds`, aggregator, help),
    read,
  }));
}

function percentile(which: number) {
  return (rounds: Rounds): number => rounds.percentile(which);
}
