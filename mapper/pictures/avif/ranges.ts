import { demand } from '../damage.ts';

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Sorted and without overlaps. Pure. */
export function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges.toSorted((one, other) => one.from - other.from)) {
    const last = result.at(-1);
    if (last !== undefined && range.from <= last.to)
      result[result.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else if (range.to > range.from) result.push(range);
  }
  return result;
}

/**
 * What of these areas is not needed. Pure.
 * @param needed merged
 * @throws DamagedPicture when something that is needed is in none of the areas
 */
export function unneeded(areas: readonly Range[], needed: readonly Range[]): Range[] {
  const result: Range[] = [];
  const rest = [...needed].reverse();
  for (const area of merged(areas)) {
    let { from } = area;
    for (let next = rest.at(-1); next !== undefined && next.from < area.to; next = rest.at(-1)) {
      demand(next.from >= area.from && next.to <= area.to, 'has pixels in a wrong place');
      result.push({ from, to: next.from });
      from = next.to;
      rest.pop();
    }
    result.push({ from, to: area.to });
  }
  demand(rest.length === 0, 'has pixels in a wrong place');
  return result.filter(({ from, to }) => to > from);
}
