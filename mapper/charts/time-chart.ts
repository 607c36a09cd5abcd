import { html, type Html } from '../http/html.ts';
import { clicks, type Clicks } from './clicks.ts';
import { scaleFor } from './scale.ts';

/** Clicks of an hour, a day or a month. */
export interface TimeItem extends Clicks {
  /** In words, with its zone's date: `27 Nov 2026`. */
  readonly label: string;
  /** The same for the axis, as short as may be: `27 Nov`. */
  readonly short: string;
}

export interface TimeChart {
  /** What it shows, in words: `Clicks by day`. */
  readonly name: string;
  /** What a row of the table is: `Day`. */
  readonly unit: string;
  /** From the first to the last, without a gap. */
  readonly items: readonly TimeItem[];
}

/** Of the drawing, for one item. It is stretched to the width that there is, so only proportions matter. */
const SLOT = 10;
const HEIGHT = 100;
/** A few bars are no wider than those of many, or they would look like blocks. */
const FULL_ITEMS = 12;
const BAR = 0.76;
/** A single click among thousands must be seen. */
const LEAST_HEIGHT = 1.5;
/** Labels below the axis: more do not fit on a telephone. */
const AXIS_LABELS = 4;

/**
 * Clicks over time as bars, people below and bots above, with a table of the same numbers. It has neither
 * styles nor scripts: the stylesheet of the pages knows its classes. Pure.
 */
export function timeChart({ name, unit, items }: TimeChart): Html {
  const most = Math.max(0, ...items.map(({ humans, bots }) => humans + bots));
  if (most === 0) return html`<p class="chart-empty">${name}: none in this period.</p>`;
  const { top, ticks } = scaleFor(most);
  const width = items.length * SLOT;
  const grid = ticks.map((tick) => `M0 ${toY(tick, top)}h${width}`).join('');
  return html`<figure class="chart">
<figcaption>${name}</figcaption>${LEGEND}
<div class="plot">
<div class="ticks" aria-hidden="true">${ticks.map((tick) => html`<span>${clicks(tick)}</span>`)}</div>
<svg role="img" aria-label="${inWords(name, items)}" viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none">
<path class="grid" d="${grid}"/>${items.map((item, at) => barOf(item, at, items.length, top))}</svg>
<div class="times" aria-hidden="true">${axisLabels(items).map((label) => html`<span>${label}</span>`)}</div>
</div>
<details><summary>Show as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="${name}, as a table"><table>
<thead><tr><th scope="col">${unit}</th>${COLUMNS}</tr></thead>
<tbody>${items.map(rowOf)}</tbody>
</table></div></details>
</figure>`;
}

/** What the colours mean. */
export const LEGEND = html`<ul class="legend"><li class="of-humans">People</li><li class="of-bots">Bots</li></ul>`;

/** The heads of the columns with numbers. */
export const COLUMNS = html`<th scope="col" class="number">People</th><th scope="col" class="number">Bots</th>`;

/** The whole column can be pointed at, so that also small bars say what they are. */
function barOf(item: TimeItem, at: number, count: number, top: number): Html {
  const { label, humans, bots } = item;
  const width = SLOT * BAR * Math.min(1, count / FULL_ITEMS);
  const x = round(at * SLOT + (SLOT - width) / 2);
  const low = humans === 0 ? HEIGHT : Math.min(toY(humans, top), HEIGHT - LEAST_HEIGHT);
  const high = bots === 0 ? low : Math.min(toY(humans + bots, top), low - LEAST_HEIGHT);
  const rect = (name: string, y: number, end: number): Html | undefined =>
    y === end
      ? undefined
      : html`<rect class="${name}" x="${x}" y="${round(y)}" width="${round(width)}" height="${round(end - y)}"/>`;
  const title = `${label}: ${clicks(humans)} by people, ${clicks(bots)} by bots`;
  return html`<g><title>${title}</title><rect class="any" x="${at * SLOT}" width="${SLOT}" height="${HEIGHT}"/>${[
    rect('humans', low, HEIGHT),
    rect('bots', high, low),
  ]}</g>`;
}

function rowOf({ label, humans, bots }: TimeItem): Html {
  return html`<tr><th scope="row">${label}</th>${numberCells({ humans, bots })}</tr>`;
}

/** The cells below {@link COLUMNS}. */
export function numberCells({ humans, bots }: Clicks): Html {
  return html`<td class="number">${clicks(humans)}</td><td class="number">${clicks(bots)}</td>`;
}

/** What somebody who does not see the bars is told; the table has the rest. */
function inWords(name: string, items: readonly TimeItem[]): string {
  const sum = (of: (item: TimeItem) => number): number => items.reduce((total, item) => total + of(item), 0);
  const peak = items.reduce((a, b) => (b.humans + b.bots > a.humans + a.bots ? b : a));
  const [first, last] = [items[0]?.label, items.at(-1)?.label];
  return [
    `${name}, from ${first} to ${last}: ${clicks(sum(({ humans }) => humans))} by people`,
    ` and ${clicks(sum(({ bots }) => bots))} by bots.`,
    ` Most in one bar: ${clicks(peak.humans + peak.bots)}, ${peak.label}.`,
  ].join('');
}

/** Some of the labels, at equal distances; always the first and the last. */
function axisLabels(items: readonly TimeItem[]): string[] {
  const count = Math.min(items.length, AXIS_LABELS);
  return Array.from({ length: count }, (_, at) => {
    const place = count === 1 ? 0 : Math.round((at * (items.length - 1)) / (count - 1));
    return items[place]?.short ?? '';
  });
}

function toY(value: number, top: number): number {
  return round(HEIGHT - (value / top) * HEIGHT);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
