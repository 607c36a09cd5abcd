import type { ByteReader } from '../byte-reader.ts';
import { demand, PieceCount } from '../damage.ts';
import { PartList } from '../parts.ts';
import type { Part } from '../picture.ts';

interface Overwrite {
  readonly from: number;
  readonly to: number;
  /** Undefined: zeros. */
  readonly bytes?: Buffer;
}

const ZEROS = Buffer.alloc(65_536);
const FREE = Buffer.from('free', 'latin1');

/** Collects what is overwritten in a file. Its offsets are absolute, so nothing in it may move. */
export class Overwrites {
  readonly #list: Overwrite[] = [];
  readonly #count = new PieceCount();

  zero(from: number, to: number): void {
    if (to > from) this.#add({ from, to });
  }

  /** Turns a box into one that says nothing. */
  free({ from, body, to }: { readonly from: number; readonly body: number; readonly to: number }): void {
    this.setType(from + 4);
    this.zero(body, to);
  }

  /** Sets a type to `free`. */
  setType(at: number): void {
    this.#add({ from: at, to: at + 4, bytes: FREE });
  }

  /** The parts of the file up to `end`. What is as it should be already is kept. @throws DamagedPicture */
  async apply(reader: ByteReader, end: number): Promise<readonly Part[]> {
    const parts = new PartList();
    let position = 0;
    for (const { from, to, bytes } of this.#list.toSorted((one, other) => one.from - other.from)) {
      if (from >= end) break;
      demand(from >= position && to <= end, 'has parts that overlap');
      parts.keep(position, from);
      await overwrite(reader, parts, from, to, bytes);
      position = to;
    }
    parts.keep(position, end);
    return parts.parts;
  }

  #add(overwrite: Overwrite): void {
    this.#count.add();
    this.#list.push(overwrite);
  }
}

async function overwrite(
  reader: ByteReader,
  parts: PartList,
  from: number,
  to: number,
  bytes: Buffer = ZEROS,
): Promise<void> {
  for (let at = from; at < to;) {
    const length = Math.min(to - at, bytes.length);
    const wanted = bytes.subarray(0, length);
    if ((await reader.at(at, length)).equals(wanted)) parts.keep(at, at + length);
    else parts.put(wanted);
    at += length;
  }
}
