import { Writable } from 'node:stream';
import { runProgram } from '../../scripts/operator/program.ts';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs one `keymill` command line in this process. Its environment is only `env` and our PATH.
 * @param input what it reads from stdin
 * @param onOutput called with each piece of stdout
 */
export async function runKeymill(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  input: Iterable<string> | AsyncIterable<string> = [],
  onOutput?: (text: string) => void,
): Promise<Outcome> {
  const stdout = new Sink(onOutput);
  const stderr = new Sink();
  const { PATH } = process.env;
  const exitCode = await runProgram(args, {
    env: { PATH, ...env },
    input: bytesOf(input),
    stdout,
    stderr,
    isInteractive: false,
    exitCode: 0,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

async function* bytesOf(input: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of input) yield Buffer.from(text);
}

class Sink extends Writable {
  text = '';
  readonly #onOutput: ((text: string) => void) | undefined;

  constructor(onOutput?: (text: string) => void) {
    super();
    this.#onOutput = onOutput;
  }

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    this.#onOutput?.(String(chunk));
    done();
  }
}
