import { join } from 'node:path';
import { Child } from './child.ts';
import type { RawResult, RawTask } from './raw-mysql-main.ts';

const GRACE_MS = 30_000;

/** The bare MySQL driver in a process of its own. */
export class RawMysql implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child('the bare driver', join(import.meta.dirname, 'raw-mysql-main.ts'), signal);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async run(task: RawTask): Promise<RawResult> {
    return this.#child.ask(task, task.durationMs + GRACE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
