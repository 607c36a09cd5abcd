import type { Writable } from 'node:stream';
import { formatTable, type Column } from './table.ts';

/**
 * Where a command writes, what it was given from outside, and how it ended. The answer goes to stdout, everything else
 * to stderr; with `--json` stdout is exactly one JSON document.
 */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Somebody is looking at stderr: progress may move the cursor. */
  readonly isInteractive: boolean;
  /** 0 done; 1 done, with a bad result; 2 usage or unreachable. */
  exitCode: number;
}

export function printJson(terminal: Terminal, document: unknown): void {
  terminal.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

export function printLines(terminal: Terminal, lines: readonly string[]): void {
  terminal.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** One block of a screen: a heading, then its table, indented. */
export function section(
  heading: string,
  columns: readonly Column[],
  rows: readonly (readonly (string | null | undefined)[])[],
): string[] {
  return [heading, ...formatTable(columns, rows).map((line) => `  ${line}`.trimEnd()), ''];
}

/** A block alone on the screen: without heading, indentation and the empty line after it. */
export function bare(block: readonly string[]): string[] {
  return block.slice(1, -1).map((line) => line.slice(2));
}

/** A remark beside the answer. */
export function note(terminal: Terminal, text: string): void {
  terminal.stderr.write(`${text}\n`);
}
