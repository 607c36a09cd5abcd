import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import sharp from 'sharp';
import { partsToStream, sizeOf } from '../../../mapper/pictures/parts.ts';
import type { Picture, PictureFault } from '../../../mapper/pictures/picture.ts';
import { isPicture, readPicture } from '../../../mapper/pictures/read-picture.ts';
import { bufferSource } from '../../../mapper/pictures/sources.ts';

export interface Stripped extends Picture {
  readonly output: Buffer;
}

export function read(bytes: Buffer): Promise<Picture | PictureFault> {
  return readPicture(bufferSource(bytes));
}

/** Reads a picture that must be taken, and makes what is stored. Checks what holds for every picture. */
export async function strip(bytes: Buffer, name = 'the picture'): Promise<Stripped> {
  const picture = await read(bytes);
  if (!isPicture(picture)) throw new Error(`${name}: ${JSON.stringify(picture)}`);
  const output = await buffer(partsToStream(bufferSource(bytes), picture.parts));
  expect(output.length, name).to.equal(sizeOf(picture.parts));
  expectCuts(bytes, picture, output, name);
  const again = await read(output);
  const { type, width, height, frames } = picture;
  // What was left is read as the same picture, and nothing more is taken out.
  expect(again, name).to.deep.equal({ type, width, height, frames, parts: [{ from: 0, to: output.length }] });
  return { ...picture, output };
}

/** What is stored is the file without some ranges, with nothing of ours but heads, Orientations and zeros. */
function expectCuts(bytes: Buffer, { type, parts }: Picture, output: Buffer, name: string): void {
  let [source, at] = [0, 0];
  for (const part of parts) {
    if ('bytes' in part) {
      const isNothing =
        part.bytes.every((byte) => byte === 0) || Buffer.from(part.bytes).toString() === 'free';
      expect(type === 'avif' ? isNothing : part.bytes.length <= 42, `${name}: ours at ${at}`).to.equal(true);
      at += part.bytes.length;
      continue;
    }
    expect(part.from, name).to.be.at.least(source);
    const length = part.to - part.from;
    expect(output.subarray(at, at + length).equals(bytes.subarray(part.from, part.to)), name).to.equal(true);
    at += length;
    source = part.to;
  }
  expect(at, name).to.equal(output.length);
  if (type === 'avif') expect(output.length).to.be.at.most(bytes.length);
}

export async function faultOf(bytes: Buffer): Promise<PictureFault> {
  const result = await read(bytes);
  if (isPicture(result)) throw new Error(`it was taken: ${JSON.stringify(result).slice(0, 500)}`);
  return result;
}

/** The reason for which it is damaged. */
export async function whyDamaged(bytes: Buffer): Promise<string> {
  const fault = await faultOf(bytes);
  return fault.kind === 'damaged' ? fault.why : fault.kind;
}

/** All frames, upright. */
export async function pixelsOf(bytes: Buffer): Promise<Buffer> {
  const isAnimated = /^(GIF8|RIFF)/.test(bytes.toString('latin1', 0, 4));
  return sharp(asStill(bytes), { animated: isAnimated, failOn: 'none' }).autoOrient().raw().toBuffer();
}

/** libvips takes no AVIF that is an animation in the first place, though it contains a still picture. */
function asStill(bytes: Buffer): Buffer {
  if (bytes.toString('latin1', 4, 12) !== 'ftypavis') return bytes;
  return Buffer.concat([bytes.subarray(0, 8), Buffer.from('avif'), bytes.subarray(12)]);
}
