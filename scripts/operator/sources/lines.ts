/** A line of a text, counted from 1. */
export interface Line {
  readonly number: number;
  /** Without the end of the line. Undefined: it is longer than allowed, and was not kept. */
  readonly text: string | undefined;
}

const NEWLINE = 0x0a;

/** Cuts UTF-8 into lines, whatever their length: at most one of them is in memory. */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Line, void, undefined> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  const keep = (part: Uint8Array): void => {
    length += part.length;
    if (length <= maxBytes) parts.push(part);
    else parts = [];
  };
  const take = (): Line => {
    const text = length <= maxBytes ? Buffer.concat(parts).toString('utf8').replace(/\r$/, '') : undefined;
    parts = [];
    length = 0;
    return { number: number++, text };
  };
  for await (const piece of input) {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      keep(piece.subarray(from, end));
      yield take();
      from = end + 1;
    }
    if (from < piece.length) keep(piece.subarray(from));
  }
  if (length > 0) yield take();
}
