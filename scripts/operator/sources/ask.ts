import { messageOf } from '../../../runtime/errors.ts';
import { withDeadline } from '../../../runtime/retry.ts';
import { UnreachableError } from '../../../runtime/terminal/errors.ts';
import { note, type Terminal } from '../../../runtime/terminal/terminal.ts';

/** How long a change may take: given up, nobody would know whether it was made. */
export const CHANGE_DEADLINE_MS = 10_000;

/** How long any one source of an answer may take. */
export const ASK_DEADLINE_MS = 1_000;

/**
 * Asks the parts of a cluster side by side, each with a deadline of its own, and remembers who did not answer:
 * an operator looks when something is broken, so one dead part must not hide the others.
 */
export class Inquiry {
  readonly #silent = new Map<string, string>();
  #asked = 0;

  /** What `source` answered; undefined, and the source is named as unreachable, when it failed or was late. */
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

  /** Names of the sources that did not answer, in order. */
  get unreachable(): string[] {
    return [...this.#silent.keys()].sort(naturally);
  }

  /** Says on stderr who did not answer and why; exit code 2 when nobody did. */
  report(terminal: Terminal): void {
    for (const source of this.unreachable) {
      note(terminal, `unreachable: ${source} (${this.#silent.get(source)?.split('\n')[0]})`);
    }
    if (this.#asked > 0 && this.#silent.size >= this.#asked) terminal.exitCode = 2;
  }
}

/** Asks one source that the command cannot do without. @throws UnreachableError naming it */
export async function askOnly<T>(
  source: string,
  question: (signal: AbortSignal) => Promise<T>,
  deadlineMs = ASK_DEADLINE_MS,
): Promise<T> {
  try {
    return await withDeadline(source, deadlineMs, question);
  } catch (error) {
    throw new UnreachableError(`${source} cannot be reached: ${messageOf(error)}`, error);
  }
}

/** keys-db-2 before keys-db-10. */
export function naturally(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
