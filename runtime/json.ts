/** Parses JSON text; undefined when it is not JSON. The caller checks the shape of the value. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
