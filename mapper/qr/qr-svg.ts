import { toHex, type Colour } from './colour.ts';
import type { Look, Modules } from './qr-code.ts';

/** A code as an SVG document. Each run of dark modules is one part of a single path. */
export function toSvg(modules: Modules, { size, dark, light }: Look): string {
  const count = modules.length;
  const path = modules.flatMap((row, y) =>
    runsOf(row).map(([x, length]) => `M${x} ${y}h${length}v1h-${length}z`),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${count} ${count}"`,
    ' shape-rendering="crispEdges">',
    light.alpha === 0 ? '' : `<path${fill(light)} d="M0 0h${count}v${count}H0z"/>`,
    `<path${fill(dark)} d="${path.join('')}"/></svg>\n`,
  ].join('');
}

function fill(colour: Colour): string {
  const opacity = colour.alpha === 255 ? '' : ` fill-opacity="${(colour.alpha / 255).toFixed(3)}"`;
  return ` fill="${toHex(colour)}"${opacity}`;
}

/** Where dark modules begin in a row, and how many follow each other. */
function runsOf(row: readonly boolean[]): [start: number, length: number][] {
  const runs: [number, number][] = [];
  for (const [at, isDark] of row.entries()) {
    const last = runs.at(-1);
    if (isDark && last !== undefined && last[0] + last[1] === at) last[1] += 1;
    else if (isDark) runs.push([at, 1]);
  }
  return runs;
}
