import { readFileSync } from 'node:fs';
import { typicalOf } from '../method/measure.ts';
import type { Window } from '../method/order.ts';
import { round } from '../method/row.ts';

/**
 * How long the main threads of a client and of its mapper ran and waited, in ms for each second. Who waits
 * could have run, but others had the processors. It is part of the latencies that we measure: of a client it
 * is a fault of the bench, of a mapper it is what those beside it do to it.
 */
export interface BusyTimes {
  readonly clientWaitedMs: number;
  readonly mapperRanMs: number;
  readonly mapperWaitedMs: number;
}

/** Begins to watch two processes. @returns what tells, so many seconds later, what became of them */
export function watchMainThreads(client: number, mapper: number): (seconds: number) => BusyTimes {
  const [clientBefore, mapperBefore] = [mainThreadOf(client), mainThreadOf(mapper)];
  return (seconds) => {
    const [clientNow, mapperNow] = [mainThreadOf(client), mainThreadOf(mapper)];
    return {
      clientWaitedMs: (clientNow.waitedMs - clientBefore.waitedMs) / seconds,
      mapperRanMs: (mapperNow.ranMs - mapperBefore.ranMs) / seconds,
      mapperWaitedMs: (mapperNow.waitedMs - mapperBefore.waitedMs) / seconds,
    };
  };
}

/** For a record: the medians of an arm. */
export function typicalTimes<Sample extends BusyTimes>(
  sequence: readonly Window<Sample>[],
  arm: string,
): BusyTimes {
  const typical = (of: keyof BusyTimes): number => round(typicalOf(sequence, arm, (sample) => sample[of]));
  return {
    clientWaitedMs: typical('clientWaitedMs'),
    mapperRanMs: typical('mapperRanMs'),
    mapperWaitedMs: typical('mapperWaitedMs'),
  };
}

/** Its `schedstat`. Zeros when the process has ended. */
function mainThreadOf(pid: number): { ranMs: number; waitedMs: number } {
  try {
    const [ranNs = 0, waitedNs = 0] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ').map(Number);
    return { ranMs: ranNs / 1e6, waitedMs: waitedNs / 1e6 };
  } catch {
    return { ranMs: 0, waitedMs: 0 };
  }
}
