import { Readable } from 'node:stream';
import type { Part, PictureSource } from './picture.ts';

const PIECE_BYTES = 65_536;

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
 * The bytes of the parts, 64 KiB at a time. The stream fails when the source is shorter than its parts say.
 * It can be made again from the same parts. The caller closes the source.
 */
export function partsToStream(source: PictureSource, parts: readonly Part[]): Readable {
  return Readable.from(piecesOf(source, parts), { objectMode: false, highWaterMark: PIECE_BYTES });
}

async function* piecesOf(source: PictureSource, parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if ('bytes' in part) yield part.bytes;
    else yield* bytesOf(source, part.from, part.to);
  }
}

async function* bytesOf(source: PictureSource, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let position = from; position < to;) {
    const piece = await source.read(position, Math.min(PIECE_BYTES, to - position));
    if (piece.length === 0) throw new Error(`the file of the picture ends at ${position} instead of ${to}`);
    yield piece;
    position += piece.length;
  }
}
