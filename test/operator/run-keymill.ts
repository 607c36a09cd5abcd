import { Writable } from 'node:stream';
import { runProgram } from '../../scripts/operator/program.ts';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one `keymill` command line in this process. Its environment is only `env` and our PATH. */
export async function runKeymill(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Outcome> {
  const stdout = new Sink();
  const stderr = new Sink();
  const { PATH } = process.env;
  const exitCode = await runProgram(args, {
    env: { PATH, ...env },
    stdout,
    stderr,
    isInteractive: false,
    exitCode: 0,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

class Sink extends Writable {
  text = '';

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}
