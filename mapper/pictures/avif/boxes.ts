import { demand, type PieceCount } from '../damage.ts';

const DAMAGED = 'has a damaged structure';

/** A box of ISO/IEC 14496-12: a length, a type, and a body, which may be more boxes. In a buffer. */
export interface Box {
  readonly type: string;
  readonly from: number;
  readonly body: number;
  readonly to: number;
}

/** The box as it lies in the file, of which the buffer begins at `base`. */
export function moved({ from, body, to }: Box, base: number): Omit<Box, 'type'> {
  return { from: base + from, body: base + body, to: base + to };
}

/** Reads numbers one after the other, up to an end. Every method throws DamagedPicture behind it. */
export class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, { body, to }: Pick<Box, 'body' | 'to'>) {
    this.#bytes = bytes;
    this.#at = body;
    this.#end = to;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** @param size 0 (then the number is 0), 1, 2, 4 or 8 bytes */
  uint(size: number): number {
    const at = this.skip(size);
    if (size === 0) return 0;
    if (size < 8) return this.#bytes.readUIntBE(at, size);
    const number = Number(this.#bytes.readBigUInt64BE(at));
    demand(Number.isSafeInteger(number), DAMAGED);
    return number;
  }

  /** Version and flags, with which many boxes begin. */
  version(): { version: number; flags: number } {
    return { version: this.uint(1), flags: this.uint(3) };
  }

  /** A type, such as `av01`. */
  type(): string {
    const at = this.skip(4);
    return this.#bytes.toString('latin1', at, at + 4);
  }

  /** @returns where the skipped bytes begin */
  skip(bytes: number): number {
    const at = this.#at;
    demand(at + bytes <= this.#end, DAMAGED);
    this.#at += bytes;
    return at;
  }
}

/** All of them are read in one turn of the event loop, and each costs more than other pieces. */
export const BOX_PIECES = 10;

/** The boxes in a part of a buffer. @throws DamagedPicture when one of them is longer than that */
export function boxesIn(bytes: Buffer, { body, to }: Pick<Box, 'body' | 'to'>, count: PieceCount): Box[] {
  const boxes: Box[] = [];
  for (let from = body; from < to;) {
    count.add(BOX_PIECES);
    const fields = new Fields(bytes, { body: from, to });
    const short = fields.uint(4);
    const type = fields.type();
    const length = short === 1 ? fields.uint(8) : short;
    const end = short === 0 ? to : from + length;
    demand(end >= fields.at && end <= to, DAMAGED);
    boxes.push({ type, from, body: fields.at, to: end });
    from = end;
  }
  return boxes;
}
