import type { ByteReader } from '../byte-reader.ts';
import { demand, type PieceCount } from '../damage.ts';
import type { Range } from './ranges.ts';

const DAMAGED = 'has damaged pixels';
const SEQUENCE_HEADER = 1;
/** Longer than the part of a sequence header that says the size. */
const MAX_HEADER_BYTES = 1_024;

export interface CodedSize {
  readonly width: number;
  readonly height: number;
}

/**
 * The sizes that AV1 data themselves say, for which a decoder takes memory whatever the file says: one for
 * each sequence header. AV1 Bitstream & Decoding Process Specification, 5.3 and 5.5.
 * @param extents where the data are, in their order
 * @throws DamagedPicture
 */
export async function codedSizes(
  reader: ByteReader,
  extents: readonly Range[],
  count: PieceCount,
): Promise<CodedSize[]> {
  const data = new Extents(reader, extents);
  const sizes: CodedSize[] = [];
  for (let at = 0; at < data.bytes;) {
    count.add();
    const head = await data.copy(at, 10);
    const { type, body, to } = unitAt(head, at, data.bytes);
    if (type === SEQUENCE_HEADER)
      sizes.push(sizeIn(await data.copy(body, Math.min(to - body, MAX_HEADER_BYTES))));
    at = to;
  }
  return sizes;
}

function unitAt(head: Buffer, at: number, end: number): { type: number; body: number; to: number } {
  const flags = head[0] ?? 0;
  demand((flags & 0x80) === 0, DAMAGED);
  const type = (flags >> 3) & 15;
  let body = (flags & 4) === 0 ? 1 : 2;
  if ((flags & 2) === 0) return { type, body: at + body, to: end };
  let length = 0;
  for (let place = 0, isOver = false; !isOver; place += 1) {
    const byte = head[body];
    demand(byte !== undefined && place < 5, DAMAGED);
    length += (byte & 0x7f) * 2 ** (7 * place);
    isOver = byte < 0x80;
    body += 1;
  }
  demand(at + body + length <= end, DAMAGED);
  return { type, body: at + body, to: at + body + length };
}

/** Parts of a file, one behind the other. They are read from the beginning to the end. */
class Extents {
  readonly #reader: ByteReader;
  readonly #extents: readonly Range[];
  readonly bytes: number;
  /** The extent at which the last copy began, and how many bytes are before it. */
  #index = 0;
  #before = 0;

  constructor(reader: ByteReader, extents: readonly Range[]) {
    this.#reader = reader;
    this.#extents = extents;
    this.bytes = extents.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** @returns fewer bytes at the end */
  async copy(position: number, length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let at = position;
    const end = Math.min(position + length, this.bytes);
    let [index, before] = [this.#index, this.#before];
    while (at < end) {
      const extent = this.#extents[index];
      demand(extent !== undefined, DAMAGED);
      const from = extent.from + at - before;
      const to = Math.min(extent.to, from + end - at);
      if (from < extent.to) {
        if (pieces.length === 0) [this.#index, this.#before] = [index, before];
        pieces.push(Buffer.from(await this.#reader.at(from, to - from)));
        at += to - from;
      }
      if (at < end) {
        before += extent.to - extent.from;
        index += 1;
      }
    }
    return Buffer.concat(pieces);
  }
}

/** Reads numbers of any number of bits. */
class Bits {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(bits: number): number {
    let number = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      const byte = this.#bytes[this.#at >> 3];
      demand(byte !== undefined, DAMAGED);
      number = number * 2 + ((byte >> (7 - (this.#at & 7))) & 1);
      this.#at += 1;
    }
    return number;
  }

  get flag(): boolean {
    return this.read(1) === 1;
  }

  /** A number of variable length, which nobody needs. */
  passVariable(): void {
    let zeros = 0;
    while (!this.flag) zeros += 1;
    if (zeros < 32) this.read(zeros);
  }
}

function sizeIn(header: Buffer): CodedSize {
  const bits = new Bits(header);
  // The profile, and whether it is a still picture.
  bits.read(4);
  if (bits.flag) bits.read(5);
  else passOperatingPoints(bits);
  const [widthBits, heightBits] = [bits.read(4) + 1, bits.read(4) + 1];
  return { width: bits.read(widthBits) + 1, height: bits.read(heightBits) + 1 };
}

function passOperatingPoints(bits: Bits): void {
  let delayBits = 0;
  if (bits.flag) {
    bits.read(64);
    if (bits.flag) bits.passVariable();
    if (bits.flag) {
      delayBits = bits.read(5) + 1;
      bits.read(42);
    }
  }
  const hasDisplayDelay = bits.flag;
  const points = bits.read(5) + 1;
  for (let point = 0; point < points; point += 1) {
    bits.read(12);
    if (bits.read(5) > 7) bits.read(1);
    if (delayBits > 0 && bits.flag) bits.read(2 * delayBits + 1);
    if (hasDisplayDelay && bits.flag) bits.read(4);
  }
}
