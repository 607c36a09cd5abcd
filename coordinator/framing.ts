/**
 * Cuts the byte stream from a ZooKeeper server into whole packets (4 bytes of length, then the packet).
 *
 * The reader of the client library keeps half a packet after a reconnect, recurses once for each packet and
 * accepts any length. We pass it exactly one whole packet at a time, which avoids all three faults.
 */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** @param maxBytes a longer (or negative) length means that the other side does not speak ZooKeeper */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Adds the bytes that have arrived and returns the packets that are now complete, each with its 4 bytes of
   * length.
   * @throws RangeError on an impossible length; then the connection cannot be used any more
   */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const frames: Buffer[] = [];
    for (let size = this.#nextSize(); size !== undefined && this.#bytes >= size; size = this.#nextSize()) {
      const all = this.#join();
      frames.push(all.subarray(0, size));
      this.#chunks = [all.subarray(size)];
      this.#bytes -= size;
    }
    return frames;
  }

  /** Size of the first packet, including its length field; undefined until those 4 bytes have arrived. */
  #nextSize(): number | undefined {
    if (this.#bytes < 4) return undefined;
    const first = this.#chunks[0];
    const length = (first !== undefined && first.length >= 4 ? first : this.#join()).readInt32BE(0);
    if (length < 0 || length > this.#maxBytes) throw new RangeError(`packet of ${length} bytes announced`);
    return length + 4;
  }

  #join(): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const joined = all ?? Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
