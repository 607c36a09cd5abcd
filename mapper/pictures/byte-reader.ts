import { setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '../../runtime/clock.ts';
import { CUT_OFF, demand } from './damage.ts';
import type { PictureSource } from './picture.ts';

const WINDOW_BYTES = 65_536;
/** How long others wait for their turn, in ms. */
const TURN_MS = 0.5;
/** To ask for the time at each call would cost more than most calls. */
const CALLS_PER_LOOK = 32;

/**
 * Reads a source through one window of 64 KiB, from its beginning to its end and seldom back. Requests get
 * their turn after every half millisecond.
 */
export class ByteReader {
  readonly #source: PictureSource;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;
  #calls = 0;
  /** Since when nobody else had a turn. */
  #turnMs = monotonicMs();

  constructor(source: PictureSource) {
    this.#source = source;
  }

  get bytes(): number {
    return this.#source.bytes;
  }

  /**
   * @param length up to 64 KiB
   * @returns a view that is valid until the next call
   * @throws DamagedPicture at the end of the source
   */
  async at(position: number, length: number): Promise<Buffer> {
    if (this.#isLong()) await this.#giveTurn();
    const from = position - this.#start;
    if (from < 0 || from + length > this.#window.length) {
      demand(position + length <= this.bytes, CUT_OFF);
      await this.#load(position, Math.max(length, WINDOW_BYTES));
      demand(this.#window.length >= length, CUT_OFF);
      return this.#window.subarray(0, length);
    }
    return this.#window.subarray(from, from + length);
  }

  /**
   * @returns what is in memory from this position on, at least one byte. Valid until the next call
   * @throws DamagedPicture at the end of the source
   */
  async from(position: number): Promise<Buffer> {
    if (this.#isLong()) await this.#giveTurn();
    const from = position - this.#start;
    if (from >= 0 && from < this.#window.length) return this.#window.subarray(from);
    await this.at(position, 1);
    return this.#window.subarray(position - this.#start);
  }

  /** Visits all bytes of a range, piece by piece. @throws DamagedPicture at the end of the source */
  async visit(from: number, to: number, visitor: (piece: Buffer) => void): Promise<void> {
    for (let position = from; position < to;) {
      const piece = await this.from(position);
      const wanted = piece.subarray(0, to - position);
      visitor(wanted);
      position += wanted.length;
    }
  }

  /** A copy of a range. The caller bounds its length. */
  async copy(from: number, to: number): Promise<Buffer> {
    demand(to <= this.bytes, CUT_OFF);
    const pieces: Buffer[] = [];
    await this.visit(from, to, (piece) => pieces.push(Buffer.from(piece)));
    return Buffer.concat(pieces);
  }

  async #load(position: number, length: number): Promise<void> {
    if (monotonicMs() - this.#turnMs > TURN_MS) await this.#giveTurn();
    this.#window = await this.#source.read(position, length);
    this.#start = position;
  }

  #isLong(): boolean {
    this.#calls += 1;
    return this.#calls % CALLS_PER_LOOK === 0 && monotonicMs() - this.#turnMs > TURN_MS;
  }

  async #giveTurn(): Promise<void> {
    await nextTurn();
    this.#turnMs = monotonicMs();
  }
}
