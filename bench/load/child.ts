import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { KeymillError } from '../../runtime/errors.ts';
import { bareEnvironment } from '../servers/environment.ts';

/** A process that answers one message after the other. Its work must not share our event loop. */
export class Child implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;

  constructor(name: string, file: string, signal: AbortSignal) {
    this.#name = name;
    this.#child = fork(file, { env: bareEnvironment(), serialization: 'advanced' });
    signal.addEventListener('abort', () => this.#child.kill(), { once: true });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Sends a message and waits for its answer.
   * @throws KeymillError when the child answers `{error}`, ends, or is late
   */
  async ask<Answer>(message: object | number | string, timeoutMs: number): Promise<Answer> {
    const late = AbortSignal.timeout(timeoutMs);
    const ended = new AbortController();
    const onExit = (): void => ended.abort();
    this.#child.once('exit', onExit);
    try {
      if (this.#child.exitCode !== null) ended.abort();
      const answered = once(this.#child, 'message', { signal: AbortSignal.any([late, ended.signal]) });
      this.#child.send(message);
      const [answer] = (await answered) as [Answer | { error: string }];
      if (isFailure(answer)) throw new KeymillError('BENCH_FAILED', `${this.#name}: ${answer.error}`);
      return answer;
    } catch (error) {
      if (error instanceof KeymillError) throw error;
      const why = ended.signal.aborted ? 'it ended' : `no answer within ${timeoutMs} ms`;
      throw new KeymillError('BENCH_FAILED', `${this.#name}: ${why}`, { cause: error });
    } finally {
      this.#child.off('exit', onExit);
    }
  }

  /** Closes the channel, which ends the child. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit', { signal: AbortSignal.timeout(2_000) }).catch(() =>
      this.#child.kill('SIGKILL'),
    );
    this.#child.disconnect();
    await gone;
  }
}

function isFailure(answer: unknown): answer is { error: string } {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}

/** The child's side: answers every message with the result of `work`. Ends when the channel closes. */
export function serveParent(work: (message: unknown) => Promise<object>): void {
  process.on('message', (message) => {
    void work(message).then(
      (answer) => process.send?.(answer),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}
