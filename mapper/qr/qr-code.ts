import { encodeQR } from 'qr';
import type { Colour } from './colour.ts';

/** How much of a code may be dirty or torn off: 7, 15, 25 or 30 %. */
export type Level = 'L' | 'M' | 'Q' | 'H';

/** What a picture of a code looks like. */
export interface Look {
  /** Width and height in pixels. */
  readonly size: number;
  readonly dark: Colour;
  readonly light: Colour;
}

/** The modules of a code with its margin: true is dark. As many rows as columns. */
export type Modules = readonly (readonly boolean[])[];

const LEVELS = { L: 'low', M: 'medium', Q: 'quartile', H: 'high' } as const;

/**
 * Encodes a URL as a QR code (ISO/IEC 18004).
 * @param margin of light modules around it. Readers want 4
 */
export function encodeUrl(url: string, { level, margin }: { level: Level; margin: number }): Modules {
  // It draws a border of 1 at least.
  const code = encodeQR(url, 'raw', { ecc: LEVELS[level], border: 1 })
    .slice(1, -1)
    .map((row) => row.slice(1, -1));
  const light = (count: number): boolean[] => Array.from({ length: count }, () => false);
  const above = Array.from({ length: margin }, () => light(code.length + 2 * margin));
  return [...above, ...code.map((row) => [...light(margin), ...row, ...light(margin)]), ...above];
}
