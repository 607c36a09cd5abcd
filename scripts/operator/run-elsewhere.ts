import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Terminal } from '../../runtime/terminal/terminal.ts';
import { REPOSITORY } from '../cluster/run-dir.ts';

interface ElsewhereCommand {
  readonly name: string;
  /** The program's entry file, from the root of the repository. */
  readonly main: string;
  readonly args: readonly string[];
}

/**
 * Runs `keymill NAME` as a program of its own. It shares our terminal, and we pass stop signals on to it.
 * @returns its exit code; 1 when this installation does not contain the program
 */
export async function runElsewhere(
  { name, main, args }: ElsewhereCommand,
  terminal: Terminal,
): Promise<number> {
  const entry = join(REPOSITORY, main);
  if (!existsSync(entry)) {
    terminal.stderr.write(
      `keymill: "${name}" is not part of the production image; run it from a clone of the repository\n`,
    );
    return 1;
  }
  const isOurTerminal = terminal.stdout === process.stdout && terminal.stderr === process.stderr;
  const child = spawn(process.execPath, [entry, name, ...args], {
    env: terminal.env,
    stdio: isOurTerminal ? 'inherit' : ['inherit', 'pipe', 'pipe'],
  });
  child.stdout?.pipe(terminal.stdout, { end: false });
  child.stderr?.pipe(terminal.stderr, { end: false });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 1));
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
