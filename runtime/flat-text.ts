/** From this length on V8 makes a substring a view of the whole string, and so keeps the whole alive. */
const SHORTEST_VIEW = 13;

/** The same text as a string that keeps no other string alive: not the request of which it was a part. */
export function flat(text: string): string {
  return text.length < SHORTEST_VIEW ? text : Buffer.from(text).toString();
}
