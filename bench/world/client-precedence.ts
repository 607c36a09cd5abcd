import { readFileSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

const AUTOGROUP = '/proc/self/autogroup';
const FIRST = -20;

export interface Precedence extends Disposable {
  /** Whether the system allows it. */
  readonly holds: boolean;
}

/**
 * Our session, with the clients that measure, comes before others that want the same processor, until it is
 * disposed of. Clients are on other machines in life.
 *
 * Linux gives each session the same share (`autogroup`). Priorities count within a session only: a decoder
 * that gives way to its mapper, and runs on idle processors only, still counts like all our clients together,
 * and holds them up for some milliseconds.
 */
export function letClientsFirst(): Precedence {
  try {
    const [, before = '0'] = /nice (-?\d+)/.exec(readFileSync(AUTOGROUP, 'utf8')) ?? [];
    writeFileSync(AUTOGROUP, String(FIRST));
    return { holds: true, [Symbol.dispose]: () => writeFileSync(AUTOGROUP, before) };
  } catch {
    // The system has no such groups, or only its administrator may do it.
    return { holds: false, [Symbol.dispose]: () => undefined };
  }
}

/** A client that makes the load beside the one that measures. It would be on another machine, too. */
export function letOthersFirst({ pid }: { readonly pid: number }): void {
  setPriority(pid, constants.priority.PRIORITY_LOW);
}
