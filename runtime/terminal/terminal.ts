import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { codeOf } from '../errors.ts';
import { hideCredentials } from '../redact.ts';
import { RefusedError } from './errors.ts';
import { formatTable, type Column } from './table.ts';
import { visible } from './visible.ts';

/**
 * The surroundings of a command: its environment, its output and its exit code. The answer goes to stdout and
 * everything else to stderr. With `--json`, stdout is exactly one JSON document.
 */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** stdin. */
  readonly input: AsyncIterable<Uint8Array>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** stderr is a terminal, so a progress bar may move the cursor. */
  readonly isInteractive: boolean;
  /** 0 done; 1 done with a bad result or refused; 2 wrong usage or unreachable. */
  exitCode: number;
}

/** The help of the option `--json`. */
export const ONE_JSON_DOCUMENT = 'one JSON document on stdout';

export function printJson(terminal: Terminal, document: unknown): void {
  terminal.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

export function printLines(terminal: Terminal, lines: readonly string[]): void {
  terminal.stdout.write(lines.map((line) => `${visible(line, '\n\t')}\n`).join(''));
}

/**
 * Prints, and waits while the reader of our output is slow, so that it need not be kept in memory.
 * @throws RefusedError when nobody reads it any more (`| head`): then there is nothing left to do
 */
export async function printPaced({ stdout }: Terminal, text: string): Promise<void> {
  try {
    if (text !== '' && !stdout.write(text)) await once(stdout, 'drain');
  } catch (error) {
    if (codeOf(error) !== 'EPIPE') throw error;
    throw new RefusedError('stopped: nobody reads the output any more', error);
  }
}

/** One block of a screen: a heading, an indented table, and an empty line. */
export function section(
  heading: string,
  columns: readonly Column[],
  rows: readonly (readonly (string | null | undefined)[])[],
): string[] {
  return [heading, ...formatTable(columns, rows).map((line) => `  ${line}`.trimEnd()), ''];
}

/** Only the table of a block, without heading, indentation and empty line, for a screen with nothing else. */
export function bare(block: readonly string[]): string[] {
  return block.slice(1, -1).map((line) => line.slice(2));
}

/** Writes a remark to stderr. Passwords in addresses are hidden. */
export function note(terminal: Pick<Terminal, 'stderr'>, text: string): void {
  terminal.stderr.write(`${visible(hideCredentials(text), '\n\t')}\n`);
}
