import { demand } from '../damage.ts';

const DAMAGED = 'has a damaged animation';

/** Checks the order of the frames of an animated PNG. Pure. */
export class Animation {
  readonly #canvas: { readonly width: number; readonly height: number };
  readonly #announced: number;
  #frames = 0;
  /** The next number of an fcTL or fdAT. */
  #sequence = 0;
  /** Whether the newest frame has pixels. */
  #hasPixels = true;
  #hasOtherDefault = false;

  /** @throws DamagedPicture */
  constructor(canvas: { readonly width: number; readonly height: number }, announced: number) {
    demand(announced > 0, DAMAGED);
    this.#canvas = canvas;
    this.#announced = announced;
  }

  get frames(): number {
    return this.#frames;
  }

  /** Whether viewers without animation show a picture that is none of the frames. */
  get hasOtherDefault(): boolean {
    return this.#hasOtherDefault;
  }

  /** @param control the data of its fcTL @param isDefault it stands before IDAT, which has its pixels */
  addFrame(control: Buffer, isDefault: boolean): void {
    this.#count(control.readUInt32BE(0));
    demand(this.#hasPixels, 'has a frame without pixels');
    const [width, height] = [control.readUInt32BE(4), control.readUInt32BE(8)];
    const [left, top] = [control.readUInt32BE(12), control.readUInt32BE(16)];
    demand(width > 0 && height > 0, 'has a frame with a width or height of 0');
    const canvas = this.#canvas;
    demand(left + width <= canvas.width && top + height <= canvas.height, 'has a frame beyond its edge');
    demand(!isDefault || (width === canvas.width && height === canvas.height), DAMAGED);
    demand(control.readUInt8(24) <= 2 && control.readUInt8(25) <= 1, DAMAGED);
    this.#frames += 1;
    this.#hasPixels = false;
  }

  /** IDAT: the pixels of the frame before it, or a picture that is no frame. */
  addDefault(): void {
    if (this.#frames === 0) this.#hasOtherDefault = true;
    this.#hasPixels = true;
  }

  /** @param sequence the number in its fdAT */
  addPixels(sequence: number): void {
    this.#count(sequence);
    demand(this.#frames > 0, DAMAGED);
    this.#hasPixels = true;
  }

  finish(): void {
    demand(this.#hasPixels, 'has a frame without pixels');
    demand(this.#frames === this.#announced, `has ${this.#frames} frames and says ${this.#announced}`);
  }

  #count(sequence: number): void {
    demand(sequence === this.#sequence, 'has frames in a wrong order');
    this.#sequence += 1;
  }
}
