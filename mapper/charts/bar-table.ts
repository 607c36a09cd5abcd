import { html, type Html } from '../http/html.ts';
import { clicks, type Clicks } from './clicks.ts';
import { hostName } from './host-name.ts';
import { COLUMNS, numberCells } from './time-chart.ts';

/** Clicks of one value: of visitors from a country, say. */
export interface ValueItem extends Clicks {
  /** In words. It may come from a visitor: any text. */
  readonly label: string;
}

export interface BarTable {
  /** What it shows: `Countries`. */
  readonly name: string;
  /** What a row is: `Country`. */
  readonly unit: string;
  /** The most frequent first. */
  readonly items: readonly ValueItem[];
  /** How many rows it has at most. The others are one row together. */
  readonly maxRows: number;
}

const WIDTH = 100;
/** The rare ones must be seen too. */
const LEAST_WIDTH = 0.5;

/**
 * Clicks by value as a table with a bar in each row, so that numbers and picture are the same thing. Pure.
 */
export function barTable({ name, unit, items, maxRows }: BarTable): Html {
  if (items.length === 0) return html`<p class="chart-empty">${name}: nothing is known in this period.</p>`;
  const rows = shorten(items, maxRows);
  const most = Math.max(1, ...rows.map(({ humans, bots }) => humans + bots));
  return html`<table class="bars"><caption>${name}</caption>
<thead><tr><th scope="col">${unit}</th>${COLUMNS}</tr></thead>
<tbody>${rows.map((row) => rowOf(row, most))}</tbody>
</table>`;
}

function rowOf({ label, humans, bots }: ValueItem, most: number): Html {
  const low = widthOf(humans, most);
  const high = widthOf(bots, most);
  const rects = [
    low > 0 && html`<rect class="humans" width="${low}" height="1"/>`,
    high > 0 && html`<rect class="bots" x="${low}" width="${high}" height="1"/>`,
  ];
  const bar = html`<svg class="stripe" aria-hidden="true" viewBox="0 0 ${WIDTH} 1" preserveAspectRatio="none">${rects}</svg>`;
  return html`<tr><th scope="row"><bdi>${label.includes(' ') ? label : hostName(label)}</bdi>${bar}</th>${numberCells({ humans, bots })}</tr>`;
}

function widthOf(count: number, most: number): number {
  if (count === 0) return 0;
  return Math.max(LEAST_WIDTH, Math.round((count / most) * WIDTH * 10) / 10);
}

function shorten(items: readonly ValueItem[], maxRows: number): readonly ValueItem[] {
  if (items.length <= maxRows) return items;
  const shown = items.slice(0, maxRows - 1);
  const rest = items.slice(maxRows - 1);
  const sum = (of: (item: ValueItem) => number): number => rest.reduce((total, item) => total + of(item), 0);
  const label = `${clicks(rest.length)} others`;
  return [...shown, { label, humans: sum(({ humans }) => humans), bots: sum(({ bots }) => bots) }];
}
