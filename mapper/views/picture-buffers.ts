/** Memory for one picture, which is used again for others. */
export interface PictureBuffer {
  readonly memory: Buffer;
  /** Nobody reads or writes it any more. Does nothing the second time. */
  readonly release: () => void;
  /** Somebody may still write into it: it is used for nothing else. */
  readonly discard: () => void;
}

/**
 * A bounded number of buffers of one size. To allocate a megabyte for each picture costs as much as to read
 * it: pages of the system, and a collection of garbage for every few pictures.
 */
export class PictureBuffers {
  readonly #bytes: number;
  readonly #idle: Buffer[] = [];
  #left: number;

  constructor(count: number, bytes: number) {
    this.#left = count;
    this.#bytes = bytes;
  }

  /** @returns undefined: it needs more, or all are in use */
  tryTake(bytes: number): PictureBuffer | undefined {
    if (bytes > this.#bytes || this.#left === 0) return undefined;
    this.#left -= 1;
    const memory = this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
    let isTaken = true;
    const giveBack = (isReusable: boolean): void => {
      if (!isTaken) return;
      isTaken = false;
      this.#left += 1;
      if (isReusable) this.#idle.push(memory);
    };
    return {
      memory: memory.subarray(0, bytes),
      release: () => giveBack(true),
      discard: () => giveBack(false),
    };
  }
}
