/** So a picture of 1 MB is written by one call to the disk, and read again by none. */
export const BUFFER_BYTES = 2 ** 20;
/** New ones cost more than a call to the disk: each page of theirs is cleared by the kernel first. */
const MAX_FREE = 8;

/** Memory of the uploads that are under way. Their number is bounded elsewhere. */
export class SpoolBuffers {
  readonly #free: Buffer[] = [];

  /** It contains anything. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** No call may use it any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}
