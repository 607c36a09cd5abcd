/* Blocks of lines on a screen of a fixed size. Pure. */

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const GAP = 3;

/**
 * Lays blocks out from left to right and then below each other, as a text is. What does not fit at the bottom
 * is left out, and the last line says so. No line is longer than the screen, so none wraps.
 * @param blocks without the empty line at their end
 */
export function layOut(blocks: readonly (readonly string[])[], { columns, rows }: ScreenSize): string[] {
  const lines: string[] = [];
  for (const row of rowsOf(blocks, columns)) {
    if (lines.length > 0) lines.push('');
    lines.push(...sideBySide(row));
  }
  const cut = lines.map((line) => shorten(line, columns));
  if (cut.length <= rows) return cut;
  const left = cut.length - (rows - 1);
  return [...cut.slice(0, rows - 1), shorten(`… ${left} more lines: make the window larger`, columns)];
}

/** Takes as many blocks beside each other as there is room for, in their order. */
function rowsOf(blocks: readonly (readonly string[])[], columns: number): (readonly string[])[][] {
  const rows: (readonly string[])[][] = [];
  let free = 0;
  for (const block of blocks) {
    const width = widthOf(block) + GAP;
    const row = rows.at(-1);
    if (row !== undefined && width - GAP <= free) {
      row.push(block);
      free -= width;
    } else {
      rows.push([block]);
      free = columns - width;
    }
  }
  return rows;
}

function sideBySide(blocks: readonly (readonly string[])[]): string[] {
  const height = Math.max(...blocks.map((block) => block.length));
  return Array.from({ length: height }, (_, i) =>
    blocks
      .map((block, at) => (block[i] ?? '').padEnd(at < blocks.length - 1 ? widthOf(block) + GAP : 0))
      .join('')
      .trimEnd(),
  );
}

function widthOf(block: readonly string[]): number {
  return Math.max(0, ...block.map((line) => line.length));
}

function shorten(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}
