import { join } from 'node:path';
import { Child } from './child.ts';
import type { Crowd, PagesSeen } from './people-main.ts';

const ANSWER_MS = 30_000;

/** People who use the pages in browsers, in a process of its own. */
export class People implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child('the people', join(import.meta.dirname, 'people-main.ts'), signal);
  }

  /** They come, and open one page after the other. */
  async come(crowd: Crowd): Promise<void> {
    await this.#child.ask(crowd, ANSWER_MS);
  }

  /** They go. @returns what they have seen since they came */
  async go(): Promise<PagesSeen> {
    return this.#child.ask('go', ANSWER_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
