import { groupDigits } from '../../runtime/grouped-digits.ts';

/** A picture that is not taken. Only the readers of formats throw it, and only `readPicture` catches it. */
export class DamagedPicture extends Error {
  override readonly name = 'DamagedPicture';
  readonly why: string;

  /** @param why what the picture does wrong, for the person who has posted it: "is cut off in the middle" */
  constructor(why: string) {
    super(`the picture ${why}`);
    this.why = why;
  }
}

export const CUT_OFF = 'is cut off in the middle';
export const WRONG_CHECKSUM = 'has a chunk with a wrong checksum';

/** More of them than any program writes. It bounds the time that a hostile file takes, and its parts. */
const MAX_PIECES = 100_000;
/** Made once: to format the number for each piece took ten times as long as to read it. */
const TOO_MANY_PIECES = `has more than ${groupDigits(MAX_PIECES)} pieces`;

/** @throws DamagedPicture when `isRight` is false */
export function demand(isRight: boolean, why: string): asserts isRight {
  if (!isRight) throw new DamagedPicture(why);
}

/** Counts the pieces of a picture (segments, chunks, blocks). */
export class PieceCount {
  #pieces = 0;

  /** @throws DamagedPicture when there are more than {@link MAX_PIECES} */
  add(pieces = 1): void {
    this.#pieces += pieces;
    demand(this.#pieces <= MAX_PIECES, TOO_MANY_PIECES);
  }
}

/** Browsers and libraries give up on larger ones, and no device has one. */
export const MAX_PROFILE_BYTES = 4 * 2 ** 20;

/** @throws DamagedPicture */
export function demandProfileSize(bytes: number): void {
  demand(bytes <= MAX_PROFILE_BYTES, 'has a colour profile of more than 4 MiB');
}
