/** A colour with its opacity. Red, green, blue and alpha from 0 to 255. */
export interface Colour {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
  readonly alpha: number;
}

const HEX = /^#?(?:[\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$/i;

/**
 * Reads `#rgb`, `#rgba`, `#rrggbb` or `#rrggbbaa`, also without `#`. Undefined: it is none of these. Pure.
 */
export function parseColour(text: string): Colour | undefined {
  if (!HEX.test(text)) return undefined;
  const digits = text.replace('#', '');
  const long = digits.length <= 4 ? digits.replaceAll(/./g, '$&$&') : digits;
  const [red, green, blue, alpha] = Buffer.from(long.padEnd(8, 'f'), 'hex') as unknown as [
    number,
    number,
    number,
    number,
  ];
  return { red, green, blue, alpha };
}

/** `#rrggbb`, without the opacity. */
export function toHex({ red, green, blue }: Colour): string {
  return `#${Buffer.from([red, green, blue]).toString('hex')}`;
}

const WHITE: Colour = { red: 255, green: 255, blue: 255, alpha: 255 };

/**
 * The contrast of dark modules on a light ground, from 1 (none) to 21, by WCAG 2.2. Below 1 the ground is
 * darker than the modules. What shines through is taken to be white, as paper and most pages are. Pure.
 */
export function contrastOf(dark: Colour, light: Colour): number {
  const ground = over(light, WHITE);
  return (luminanceOf(ground) + 0.05) / (luminanceOf(over(dark, ground)) + 0.05);
}

function over(top: Colour, ground: Colour): Colour {
  const share = top.alpha / 255;
  const mix = (one: number, other: number): number => one * share + other * (1 - share);
  return {
    red: mix(top.red, ground.red),
    green: mix(top.green, ground.green),
    blue: mix(top.blue, ground.blue),
    alpha: 255,
  };
}

/** WCAG 2.2, "relative luminance". */
function luminanceOf({ red, green, blue }: Colour): number {
  const [r, g, b] = [red, green, blue].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
