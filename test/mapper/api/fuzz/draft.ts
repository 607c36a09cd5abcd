import type { Endpoint } from '../../../../mapper/api/endpoint.ts';

/** A field of a body, as it is sent: the name with its quotation marks. */
export type RawField = [name: string, value: string];

/** A request in parts, each of which can be mutated. Texts stand for bytes: latin1. */
export interface Draft {
  readonly endpoint: Endpoint;
  method: string;
  /** With its percent-encodings. */
  path: string;
  query: [name: string, value: string][];
  version: string;
  headers: [name: string, value: string][];
  /** Of the JSON object in the body. Undefined: the request has no body. */
  fields: RawField[] | undefined;
  /** Instead of the fields. */
  body: string | undefined;
  /** How the end of the body is said. */
  frame: (body: string) => { readonly headers: string; readonly body: string };
}

/** The usual way. */
export function byLength(body: string): { headers: string; body: string } {
  return { headers: `Content-Length: ${body.length}\r\n`, body };
}

/** Chunks of these sizes in turn, or larger ones: of more than a thousand the server asks for an end. */
export function inChunks(sizes: readonly number[]): Draft['frame'] {
  return (body) => {
    const least = Math.ceil(body.length / 1_000);
    const chunks: string[] = [];
    for (let at = 0, index = 0; at < body.length; index += 1) {
      const chunk = body.slice(at, at + Math.max(least, sizes[index % sizes.length] ?? 1));
      chunks.push(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
      at += chunk.length;
    }
    return { headers: 'Transfer-Encoding: chunked\r\n', body: `${chunks.join('')}0\r\n\r\n` };
  };
}

export function jsonOf(fields: readonly RawField[]): string {
  return `{${fields.map(([name, value]) => `${name}:${value}`).join()}}`;
}

/** A value as JSON that is sent, in UTF-8. Lone surrogates stay escapes. */
export function rawJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('latin1');
}

/** A text as a part of a path or query. */
export function rawPart(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** @param isLast whether the client asks the server to close the connection */
export function toText(draft: Draft, isLast: boolean): string {
  const { method, path, query, version, headers, fields, frame } = draft;
  const target = path + (query.length === 0 ? '' : `?${query.map((pair) => pair.join('=')).join('&')}`);
  const text = draft.body ?? (fields && jsonOf(fields));
  const { headers: framing, body } = text === undefined ? { headers: '', body: '' } : frame(text);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/${version}\r\nHost: x\r\n${lines}${framing}${isLast ? 'Connection: close\r\n' : ''}\r\n${body}`;
}
