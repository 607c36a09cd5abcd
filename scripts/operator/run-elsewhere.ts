import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
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
 * Runs `keymill NAME` as a program of its own. It shares our terminal, and we pass stop signals on to it. A
 * channel shows it whether we still live: when we are killed, it stops as after SIGTERM.
 * @returns its exit code, or 128 + the number of the signal that ended it; 1 when this installation does not
 *   contain the program
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
    stdio: isOurTerminal ? ['inherit', 'inherit', 'inherit', 'ipc'] : ['inherit', 'pipe', 'pipe', 'ipc'],
  });
  child.stdout?.pipe(terminal.stdout, { end: false });
  child.stderr?.pipe(terminal.stderr, { end: false });
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (signal !== null && !signals.includes(signal))
          terminal.stderr.write(`keymill: "${name}" was ended by ${signal}\n`);
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
