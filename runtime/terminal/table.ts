import { visible } from './visible.ts';

/** One column of a table. Numbers are aligned right, so that their digits are below each other. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/**
 * The lines of an aligned table: the titles, then the rows. A missing cell (undefined, null) is `-`. Without
 * rows there are only the titles.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | null | undefined)[])[],
): string[] {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((_, i) => visible(row[i] ?? '-'))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => widthOf(row[i] ?? ''))));
  return cells.map((row) =>
    row
      .map((cell, i) => {
        const padding = ' '.repeat((widths[i] ?? 0) - widthOf(cell));
        return columns[i]?.align === 'right' ? padding + cell : cell + padding;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Counts code points. Double-width scripts would need a dependency. */
function widthOf(text: string): number {
  return Array.from(text).length;
}
