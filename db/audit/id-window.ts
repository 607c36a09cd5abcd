/** A set of ids from `first` to `last`, one bit each. */
export class IdWindow {
  readonly #first: number;
  readonly #bits: Uint8Array;

  /** @param bits the `bits` of an earlier window with the same ids */
  constructor(first: number, last: number, bits: Uint8Array = new Uint8Array()) {
    this.#first = first;
    this.#bits = new Uint8Array(Math.max(0, Math.ceil((last - first + 1) / 8)));
    this.#bits.set(bits.subarray(0, this.#bits.length));
  }

  /** Bit i of byte n: id first + 8 × n + i. */
  get bits(): Uint8Array {
    return this.#bits;
  }

  /** Ignores ids outside the window. */
  add(id: number): void {
    const at = id - this.#first;
    const byte = Math.floor(at / 8);
    if (byte >= 0 && byte < this.#bits.length) this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (at & 7));
  }

  has(id: number): boolean {
    const at = id - this.#first;
    return ((this.#bits[Math.floor(at / 8)] ?? 0) & (1 << (at & 7))) !== 0;
  }
}
