import { join } from 'node:path';
import { Child } from './child.ts';
import type { ImageTask, ImageTaskResult } from './image-client-main.ts';

/** Longer than any work on images takes. */
const TIMEOUT_MS = 1_800_000;

/** Posts and reads images in a process of its own. */
export class ImageClient implements AsyncDisposable {
  readonly #child: Child;

  constructor(signal: AbortSignal) {
    this.#child = new Child(
      'the client of images',
      join(import.meta.dirname, 'image-client-main.ts'),
      signal,
    );
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** @throws KeymillError when a request is answered neither with success nor with 503 */
  async run(task: ImageTask): Promise<ImageTaskResult> {
    return this.#child.ask(task, TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
