/** One column of a table; numbers are set to the right, so that their digits stand under each other. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/**
 * Lines of an aligned table: the titles, then the rows. A missing cell (undefined, null) is shown as `-`.
 * Without rows only the titles are shown, so that a person sees what would stand there.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | null | undefined)[])[],
): string[] {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((_, i) => row[i] ?? '-')),
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

/** Code points: names may hold characters outside the basic plane; wide scripts are not worth a dependency. */
function widthOf(text: string): number {
  return Array.from(text).length;
}
