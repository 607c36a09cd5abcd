import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Part, PictureSource } from './picture.ts';

const PIECE_BYTES = 256 * 1024;
/** Parts put together while others wait. */
const PARTS_PER_TURN = 4_000;

/** Collects the parts of a picture in order. Neighbours become one part. */
export class PartList {
  readonly #parts: Part[] = [];

  /** Keeps bytes of the source. */
  keep(from: number, to: number): void {
    if (to <= from) return;
    const last = this.#parts.at(-1);
    if (last !== undefined && 'to' in last && last.to === from)
      this.#parts[this.#parts.length - 1] = { from: last.from, to };
    else this.#parts.push({ from, to });
  }

  /** Puts bytes of ours in the place of some of the source. */
  put(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#parts.push({ bytes });
  }

  append(parts: readonly Part[]): void {
    for (const part of parts) {
      if ('bytes' in part) this.put(part.bytes);
      else this.keep(part.from, part.to);
    }
  }

  get parts(): readonly Part[] {
    return this.#parts;
  }
}

/** How many bytes the parts have together. */
export function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + ('bytes' in part ? part.bytes.length : part.to - part.from), 0);
}

/**
 * The bytes of the parts. The stream fails when the source is shorter than its parts say.
 * It can be made again from the same parts. The caller closes the source.
 */
export function partsToStream(source: PictureSource, parts: readonly Part[]): Readable {
  return Readable.from(piecesOf(source, parts), { objectMode: false, highWaterMark: PIECE_BYTES });
}

/**
 * The bytes of the parts, in pieces of up to 256 KiB. A picture may have a hundred thousand parts of some
 * bytes: they are read and put together in memory.
 * @throws Error when the source is shorter than its parts say
 */
export async function* piecesOf(
  source: PictureSource,
  parts: readonly Part[],
): AsyncGenerator<Uint8Array, void> {
  const window = new Window(source);
  let piece = Buffer.allocUnsafe(PIECE_BYTES);
  let filled = 0;
  for (const [index, part] of parts.entries()) {
    if (index % PARTS_PER_TURN === PARTS_PER_TURN - 1) await nextTurn();
    const length = 'bytes' in part ? part.bytes.length : part.to - part.from;
    for (let at = 0; at < length;) {
      const wanted = Math.min(length - at, PIECE_BYTES - filled);
      const found =
        'bytes' in part
          ? part.bytes.subarray(at, at + wanted)
          : (window.find(part.from + at, wanted) ?? (await window.read(part.from + at, wanted)));
      piece.set(found, filled);
      filled += wanted;
      at += wanted;
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = Buffer.allocUnsafe(PIECE_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

/** What was read last of a source. */
class Window {
  readonly #source: PictureSource;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(source: PictureSource) {
    this.#source = source;
  }

  find(position: number, length: number): Buffer | undefined {
    const from = position - this.#start;
    return from < 0 || from + length > this.#bytes.length
      ? undefined
      : this.#bytes.subarray(from, from + length);
  }

  async read(position: number, length: number): Promise<Buffer> {
    this.#bytes = await this.#source.read(position, PIECE_BYTES);
    this.#start = position;
    const found = this.find(position, length);
    if (found !== undefined) return found;
    throw new Error(`the file of the picture ends before ${position + length}`);
  }
}
