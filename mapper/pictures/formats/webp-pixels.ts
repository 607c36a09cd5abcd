import type { ByteReader } from '../byte-reader.ts';
import { demand } from '../damage.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export function isSameSize(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}

export function uint24(bytes: Buffer, at: number): number {
  return bytes.readUIntLE(at, 3);
}

const DAMAGED = 'has damaged pixels';

/**
 * The size that the pixels themselves say: RFC 6386, 9.1, for `VP8 `, and RFC 9649, 3.4, for `VP8L`.
 * @throws DamagedPicture
 */
export async function pixelsSize(
  reader: ByteReader,
  name: string,
  data: number,
  length: number,
): Promise<Size> {
  demand(length >= 10 || (name === 'VP8L' && length >= 5), DAMAGED);
  if (name === 'VP8L') {
    const head = await reader.at(data, 5);
    const bits = head.readUInt32LE(1);
    demand(head[0] === 0x2f && bits >>> 29 === 0, DAMAGED);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  const head = await reader.at(data, 10);
  const isKeyFrame = (head.readUInt8() & 1) === 0;
  demand(isKeyFrame && head.toString('hex', 3, 6) === '9d012a', DAMAGED);
  return { width: head.readUInt16LE(6) & 0x3fff, height: head.readUInt16LE(8) & 0x3fff };
}
