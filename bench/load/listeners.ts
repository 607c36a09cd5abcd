import { join } from 'node:path';
import { Child } from './child.ts';
import type { ListenResult, ListenTask } from './listeners-main.ts';

const OPEN_MS = 30_000;

/** Watches the clicks of a link with many clients, in a process of its own. */
export class Listeners implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child('the listeners', join(import.meta.dirname, 'listeners-main.ts'), signal);
  }

  /** @throws KeymillError when one is not answered with 200 */
  async open(task: ListenTask): Promise<void> {
    await this.#child.ask(task, OPEN_MS);
  }

  /** Closes them. @returns what they were told since they were opened */
  async close(): Promise<ListenResult> {
    return this.#child.ask('close', OPEN_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
