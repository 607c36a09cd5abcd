import { withLargestWindow } from './formats/png-window.ts';
import { isPng } from './formats/png.ts';

/**
 * The same picture in a form that libvips takes as well as browsers do: it reads a PNG only within the window
 * that it says, and of an AVIF with an animation nothing. Pure.
 * @param picture as `readPicture` takes it
 */
export function asDecodable(picture: Buffer): Buffer {
  if (isPng(picture)) return withLargestWindow(picture);
  return picture.toString('latin1', 4, 12) === 'ftypavis' ? asStill(picture) : picture;
}

/** The still picture that every animation has, for viewers that show no animation. */
function asStill(picture: Buffer): Buffer {
  const still = Buffer.from(picture);
  still.write('avif', 8, 'latin1');
  return still;
}
