import { readFileSync } from 'node:fs';

/** What became of the main thread of a process, in milliseconds since it began. */
export interface ThreadTime {
  readonly ranMs: number;
  /** It could have run, but others had the processors. */
  readonly waitedMs: number;
}

/**
 * The time of the main thread of a process, from its `schedstat`. What it waits for a processor is part of
 * the latencies that we measure: of a client it is a fault of the bench, of a server one of the server.
 * Zeros when the process has ended.
 */
export function mainThreadOf(pid: number): ThreadTime {
  try {
    const [ranNs = 0, waitedNs = 0] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ').map(Number);
    return { ranMs: ranNs / 1e6, waitedMs: waitedNs / 1e6 };
  } catch {
    return { ranMs: 0, waitedMs: 0 };
  }
}
