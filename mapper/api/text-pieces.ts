/** V8 keeps texts of more than 128 kB apart, and collects them late. */
const PIECE_CHARACTERS = 64 * 1024;

/** Cuts a long list of texts into groups that are sent together. A group has one text at least. */
export function* inPieces(texts: Iterable<string>): Generator<readonly string[]> {
  let group: string[] = [];
  let length = 0;
  for (const text of texts) {
    if (length > 0 && length + text.length > PIECE_CHARACTERS) {
      yield group;
      group = [];
      length = 0;
    }
    group.push(text);
    length += text.length;
  }
  if (group.length > 0) yield group;
}
