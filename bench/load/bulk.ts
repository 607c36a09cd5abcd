import { join } from 'node:path';
import type { BulkResult, BulkTask } from './bulk-main.ts';
import { Child } from './child.ts';

/** For the requests that are under way at the end. */
const GRACE_MS = 60_000;

/** Sends bulks in a process of its own. */
export class BulkClient implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child('the client of bulks', join(import.meta.dirname, 'bulk-main.ts'), signal);
  }

  /** @throws KeymillError when a request is not answered with 200 */
  async run(task: BulkTask): Promise<BulkResult> {
    return this.#child.ask(task, task.durationMs + GRACE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
