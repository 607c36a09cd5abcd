import { isCoordinationError } from '../../../coordinator/errors.ts';
import { MismatchError, StoreRefusedError } from '../../../db/store-errors.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { withDeadline } from '../../../runtime/retry.ts';
import { naturally } from '../../../runtime/natural-order.ts';
import { RefusedError, UnreachableError, UsageError } from '../../../runtime/terminal/errors.ts';
import { note, type Terminal } from '../../../runtime/terminal/terminal.ts';

/**
 * How long a change may take. It is long, because after a timeout nobody knows whether the change was made.
 */
export const CHANGE_DEADLINE_MS = 10_000;

/** How long a source may take to answer. */
export const ASK_DEADLINE_MS = 1_000;

/**
 * Asks the parts of a cluster, each with its own deadline, and records which of them did not answer.
 * Operators look when something is broken, so a dead part must not hide the others.
 */
export class Inquiry {
  readonly #silent = new Map<string, string>();
  #asked = 0;

  /** The answer of `source`; undefined when it failed or was late, and then it counts as unreachable. */
  async ask<T>(
    source: string,
    question: (signal: AbortSignal) => Promise<T>,
    deadlineMs = ASK_DEADLINE_MS,
  ): Promise<T | undefined> {
    this.#asked++;
    try {
      return await withDeadline(source, deadlineMs, question);
    } catch (error) {
      this.#silent.set(source, messageOf(error));
      return undefined;
    }
  }

  /** The names of the sources that did not answer, in order. */
  get unreachable(): string[] {
    return [...this.#silent.keys()].sort(naturally);
  }

  /** Writes to stderr which sources did not answer and why. Exit code 2 when none answered. */
  report(terminal: Pick<Terminal, 'stderr' | 'exitCode'>): void {
    for (const source of this.unreachable) {
      note(terminal, `unreachable: ${source} (${this.#silent.get(source)?.split('\n')[0]})`);
    }
    if (this.#asked > 0 && this.#silent.size >= this.#asked) terminal.exitCode = 2;
  }
}

/**
 * Asks a source that the command cannot work without.
 * @throws UnreachableError with its name when it does not answer; UsageError when it contradicts the
 *   configuration; RefusedError when it refuses
 */
export async function askOnly<T>(
  source: string,
  question: (signal: AbortSignal) => Promise<T>,
  deadlineMs = ASK_DEADLINE_MS,
): Promise<T> {
  try {
    return await withDeadline(source, deadlineMs, question);
  } catch (error) {
    throw toCommandError(source, error);
  }
}

/** A refusal is an answer: an operator who reads "cannot be reached" looks for the fault in the network. */
function toCommandError(source: string, error: unknown): Error {
  if (error instanceof RefusedError || error instanceof UsageError) return error;
  if (error instanceof MismatchError) return new UsageError(messageOf(error));
  const isRefusal =
    error instanceof StoreRefusedError ||
    isCoordinationError(error, 'NO_NODE', 'NODE_EXISTS', 'BAD_VERSION', 'NOT_EMPTY', 'REFUSED');
  if (isRefusal) return new RefusedError(`${source} refused: ${messageOf(error)}`, error);
  return new UnreachableError(`${source} cannot be reached: ${messageOf(error)}`, error);
}
