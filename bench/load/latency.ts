import { join } from 'node:path';
import { Child } from './child.ts';
import type { LatencyResult, LatencyTask } from './latency-main.ts';

/** For connecting and counting, beyond the run itself. */
const GRACE_MS = 30_000;

/** Measures latencies in a process of its own. */
export class LatencyClient implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child('the latency client', join(import.meta.dirname, 'latency-main.ts'), signal);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * @throws KeymillError when an answer has another status, or the server cannot keep up with an open loop
   */
  async run(task: LatencyTask): Promise<LatencyResult> {
    return this.#child.ask(task, task.durationMs + GRACE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
