/* The parts of a generated request. */

export interface Header {
  name: string;
  colon: string;
  value: string;
  end: string;
}

/** A request in parts, each of which can be mutated. Its text stands for bytes: latin1. */
export interface Draft {
  before: string;
  method: string;
  target: string;
  version: string;
  spaces: [string, string];
  lineEnd: string;
  headers: Header[];
  headEnd: string;
  body: string;
  after: string;
}

export function parseLine(line: string): Header {
  const [, name = '', colon = '', value = ''] = /^([^:]*)(: ?)([^]*)$/.exec(line) ?? [undefined, line];
  return { name, colon, value, end: '\r\n' };
}

export function toText({
  before,
  method,
  target,
  version,
  spaces,
  lineEnd,
  headers,
  headEnd,
  body,
  after,
}: Draft): string {
  const lines = headers.map(({ name, colon, value, end }) => name + colon + value + end);
  return `${before}${method}${spaces[0]}${target}${spaces[1]}${version}${lineEnd}${lines.join('')}${headEnd}${body}${after}`;
}
