import { join } from 'node:path';
import { Child } from './child.ts';
import type { PacedResult, PacedTask } from './paced-main.ts';

/** For connecting and counting, beyond the run itself. */
const GRACE_MS = 30_000;

/**
 * Measures redirects in an open loop, and how late it is itself. Needs half of the CPU of `LatencyClient`,
 * and no core of its own: servers need the cores too.
 */
export class PacedClient implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child('the paced client', join(import.meta.dirname, 'paced-main.ts'), signal);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** @throws KeymillError when an answer is another one, or the server cannot keep up */
  async run(task: PacedTask): Promise<PacedResult> {
    return this.#child.ask(task, task.durationMs + GRACE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
