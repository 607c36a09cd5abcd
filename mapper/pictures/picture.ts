import type { PictureType } from '../../db/urls/image-facts.ts';

/** A file, or bytes in memory, that can be read at any place. */
export interface PictureSource {
  readonly bytes: number;
  /** @returns fewer bytes than asked for only at the end */
  read(position: number, length: number): Promise<Buffer>;
}

/** A part of the picture as it is stored: bytes of the source, or bytes of ours in their place. */
export type Part = { readonly from: number; readonly to: number } | { readonly bytes: Uint8Array };

/** What was found in a picture without decoding it. */
export interface Picture {
  readonly type: PictureType;
  /** As it is shown: turned by its Orientation. */
  readonly width: number;
  readonly height: number;
  /** At least 1. */
  readonly frames: number;
  /**
   * The picture without metadata and without what follows its end, in order. One part with all bytes of the
   * source: nothing was taken out.
   */
  readonly parts: readonly Part[];
}

/** Why a file is not taken. `unknown-type`: it is none of the formats that we take. */
export type PictureFault =
  | { readonly kind: 'unknown-type' }
  /** @param why for the person who has posted it: "is cut off in the middle" */
  | { readonly kind: 'damaged'; readonly why: string }
  | { readonly kind: 'too-many-pixels'; readonly pixels: number };

/** Over all frames. */
export const MAX_PIXELS = 100_000_000;
export const MAX_PICTURE_BYTES = 20 * 2 ** 20;
