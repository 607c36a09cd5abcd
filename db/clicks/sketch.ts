/**
 * Counts distinct visitors in at most {@link MAX_SKETCH_BYTES} bytes, with a standard error of 2.3 %. It
 * keeps 11 bits of a visitor's hash, and the number of zeros after them. So nobody can find out who was
 * counted.
 *
 * HyperLogLog (Flajolet and others, 2007) with 2^11 registers of 5 bits. While few registers are set, only
 * those are stored. The estimate is that of Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches" (2017), algorithm 6: it needs no table of corrections for middle numbers.
 */
export class Sketch {
  /** Set registers as `register << 5 | rank`, sorted. Undefined: {@link #registers} has them all. */
  #entries: number[] | undefined = [];
  #registers: Uint8Array | undefined;

  /** @throws RangeError when the bytes are not those of a sketch */
  static fromBytes(bytes: Uint8Array): Sketch {
    const sketch = new Sketch();
    if (bytes[0] === FEW && bytes.length % 2 === 1) sketch.#readFew(bytes);
    else if (bytes[0] === ALL && bytes.length === MAX_SKETCH_BYTES) sketch.#readAll(bytes);
    else throw new RangeError(`${bytes.length} bytes that begin with ${bytes[0]} are no sketch`);
    return sketch;
  }

  get isEmpty(): boolean {
    return this.#entries?.length === 0;
  }

  /** How many bytes {@link toBytes} makes. */
  get byteLength(): number {
    return this.#entries === undefined ? MAX_SKETCH_BYTES : 1 + 2 * this.#entries.length;
  }

  /**
   * Counts a visitor, by 64 bits of a hash: the same hash counts once.
   * @param high the first 32 bits
   * @param low the other 32 bits
   */
  add(high: number, low: number): void {
    const rest = high << INDEX_BITS;
    const zeros = rest === 0 ? 32 - INDEX_BITS + Math.clz32(low) : Math.clz32(rest);
    this.#raise(high >>> (32 - INDEX_BITS), Math.min(zeros + 1, MAX_RANK));
  }

  /** Counts all visitors of another sketch too. @returns whether that changes anything */
  merge(other: Sketch): boolean {
    if (this.isEmpty && other.#entries !== undefined) {
      this.#entries = [...other.#entries];
      return !other.isEmpty;
    }
    let isChanged = false;
    other.#forEach((register, rank) => {
      if (this.#raise(register, rank)) isChanged = true;
    });
    return isChanged;
  }

  /** How many distinct visitors were counted, about. */
  estimate(): number {
    const counts = new Float64Array(MAX_RANK + 1);
    let set = 0;
    this.#forEach((_register, rank) => {
      counts[rank] = (counts[rank] as number) + 1;
      set += 1;
    });
    let z = REGISTERS * tau(1 - (counts[MAX_RANK] as number) / REGISTERS);
    for (let rank = MAX_RANK - 1; rank >= 1; rank -= 1) z = 0.5 * (z + (counts[rank] as number));
    z += REGISTERS * sigma((REGISTERS - set) / REGISTERS);
    return Math.round((REGISTERS * REGISTERS) / (2 * Math.LN2 * z));
  }

  /** At most {@link MAX_SKETCH_BYTES}. Equal sketches have equal bytes. */
  toBytes(): Buffer {
    if (this.#entries === undefined) return packAll(this.#registers as Uint8Array);
    const bytes = Buffer.allocUnsafe(1 + 2 * this.#entries.length);
    bytes[0] = FEW;
    for (const [index, entry] of this.#entries.entries()) bytes.writeUInt16BE(entry, 1 + 2 * index);
    return bytes;
  }

  /** @returns whether it was lower */
  #raise(register: number, rank: number): boolean {
    const registers = this.#registers;
    if (registers === undefined) return this.#raiseEntry(register, rank);
    if ((registers[register] as number) >= rank) return false;
    registers[register] = rank;
    return true;
  }

  #raiseEntry(register: number, rank: number): boolean {
    const entries = this.#entries as number[];
    const entry = (register << RANK_BITS) | rank;
    const at = placeOf(entries, register << RANK_BITS);
    const before = entries[at];
    if (before !== undefined && before >> RANK_BITS === register) {
      if (before >= entry) return false;
      entries[at] = entry;
      return true;
    }
    entries.splice(at, 0, entry);
    if (entries.length > MAX_ENTRIES) this.#spread();
    return true;
  }

  #spread(): void {
    const registers = new Uint8Array(REGISTERS);
    this.#forEach((register, rank) => (registers[register] = rank));
    this.#registers = registers;
    this.#entries = undefined;
  }

  /** Only the registers that are set. */
  #forEach(take: (register: number, rank: number) => void): void {
    if (this.#entries !== undefined) {
      for (const entry of this.#entries) take(entry >> RANK_BITS, entry & MAX_RANK);
      return;
    }
    for (const [register, rank] of (this.#registers as Uint8Array).entries())
      if (rank > 0) take(register, rank);
  }

  #readFew(bytes: Uint8Array): void {
    for (let at = 1; at < bytes.length; at += 2) {
      const entry = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      if ((entry & MAX_RANK) === 0) throw new RangeError('an entry of a sketch has no rank');
      this.#raise(entry >> RANK_BITS, entry & MAX_RANK);
    }
  }

  #readAll(bytes: Uint8Array): void {
    const registers = new Uint8Array(REGISTERS);
    let [bits, waiting, at] = [0, 0, 1];
    for (let register = 0; register < REGISTERS; register += 1) {
      if (waiting < RANK_BITS) {
        bits = ((bits << 8) | (bytes[at++] as number)) & 0xffff;
        waiting += 8;
      }
      waiting -= RANK_BITS;
      registers[register] = (bits >> waiting) & MAX_RANK;
    }
    this.#registers = registers;
    this.#entries = undefined;
  }
}

const INDEX_BITS = 11;
const REGISTERS = 2 ** INDEX_BITS;
/** Enough for 2^42 visitors. */
const RANK_BITS = 5;
const MAX_RANK = 2 ** RANK_BITS - 1;

/** The first byte says which registers follow: those that are set, 2 bytes each, or all, 5 bits each. */
const FEW = 1;
const ALL = 2;
export const MAX_SKETCH_BYTES = 1 + (REGISTERS * RANK_BITS) / 8;
/** With more of them, all registers take less room. */
const MAX_ENTRIES = (MAX_SKETCH_BYTES - 1) / 2 - 1;

/** The place of the first entry that is not less. */
function placeOf(entries: readonly number[], least: number): number {
  let [from, to] = [0, entries.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((entries[middle] as number) < least) from = middle + 1;
    else to = middle;
  }
  return from;
}

function packAll(registers: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(MAX_SKETCH_BYTES);
  bytes[0] = ALL;
  let [bits, waiting, at] = [0, 0, 1];
  for (const rank of registers) {
    bits = ((bits << RANK_BITS) | rank) & 0xffff;
    waiting += RANK_BITS;
    if (waiting >= 8) {
      waiting -= 8;
      bytes[at++] = bits >> waiting;
    }
  }
  return bytes;
}

/** Ertl, algorithm 6: the share of registers that are 0, in the sum. Infinite when all are 0. */
function sigma(share: number): number {
  if (share === 1) return Infinity;
  let [x, y, z, before] = [share, 1, share, -1];
  while (z !== before) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

/** Ertl, algorithm 6: the share of registers that are not at their highest, in the sum. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let [x, y, z, before] = [share, 1, 1 - share, -1];
  while (z !== before) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
