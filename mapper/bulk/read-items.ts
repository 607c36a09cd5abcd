import { setImmediate } from 'node:timers/promises';
import { MAX_BODY_BYTES } from '../http/limits.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { decodeText, parseObject } from '../http/read-json.ts';

/** The most items of one bulk. */
export const MAX_ITEMS = 10_000;
/** Of a body that is one JSON document: all of it is held in memory. */
export const MAX_JSON_BYTES = 4 * 1024 * 1024;
/** Of NDJSON. No line may be longer than the body of a request for one link. */
export const MAX_NDJSON_BYTES = 256 * 1024 * 1024;

/** How long one bulk may take in all. Its place is free for others then. */
export const MAX_BULK_MS = 15 * 60_000;

/** The bytes of one item, which nobody has parsed, or why they were not read. */
export type Item = { readonly bytes: Buffer } | { readonly problem: Problem };

/** Items that are handed on together. They are parsed in one turn of the event loop. */
const ITEMS_AT_ONCE = 256;

/**
 * Reads NDJSON: one JSON object in each line, empty lines between them do not count. A line that is at fault
 * spoils no other. Behind the last item that is allowed, one more says so, and nothing more is read.
 */
export async function* readNdjson(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly Item[]> {
  const lines = new Lines();
  let count = 0;
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    for (const found of inGroups(lines.push(piece))) {
      const items = found.slice(0, MAX_ITEMS - count);
      count += items.length;
      if (items.length < found.length) {
        yield [...items, { problem: tooMany() }];
        return;
      }
      yield items;
    }
    if (bytes > MAX_NDJSON_BYTES) {
      yield [{ problem: tooLarge(MAX_NDJSON_BYTES) }];
      return;
    }
  }
  const last = [...lines.end()];
  if (last.length > 0) yield count < MAX_ITEMS ? last : [{ problem: tooMany() }];
}

/** Cuts bytes into lines. Holds one line at most. */
class Lines {
  /** The line whose end has not come yet, as long as it is not too long. */
  #parts: Buffer[] = [];
  #length = 0;

  *push(piece: Buffer): Generator<Item> {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      this.#keep(piece.subarray(from, end));
      yield* this.end();
      from = end + 1;
    }
    this.#keep(piece.subarray(from));
  }

  *end(): Generator<Item> {
    const [parts, length] = [this.#parts, this.#length];
    this.#parts = [];
    this.#length = 0;
    if (length > MAX_BODY_BYTES) {
      yield { problem: tooLarge(MAX_BODY_BYTES, 'An item') };
      return;
    }
    const line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    if (!isBlank(line)) yield { bytes: line };
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length <= MAX_BODY_BYTES) this.#parts.push(part);
    else this.#parts = [];
  }
}

const NEWLINE = 0x0a;

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/**
 * Reads `{"items": […]}`. The whole document is judged before the first item.
 * @throws Problem 413 too large, 400 no JSON, 422 it has other fields, or too many items
 */
export async function* readJson(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly Item[]> {
  const text = decodeText(await collect(pieces));
  judgeDocument(text);
  // Each is parsed again, as if it were alone: only the text shows a field that is given twice.
  for (const texts of inGroups(await cutItems(text)))
    yield texts.map(([from, to]) => ({ bytes: Buffer.from(text.slice(from, to)) }));
}

/** The values are not kept: with all of them a document takes several times as much memory. */
function judgeDocument(text: string): void {
  const { items, ...others } = parseObject(text);
  const errors = Object.keys(others).map((field) => ({ field, reason: 'unknown field' }));
  if (!Array.isArray(items))
    errors.unshift({ field: 'items', reason: items === undefined ? 'is required' : 'must be a list' });
  else if (items.length > MAX_ITEMS)
    errors.unshift({ field: 'items', reason: `must not have more than ${MAX_ITEMS} items` });
  if (errors.length > 0) throw invalidFields(errors.slice(0, 20));
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > MAX_JSON_BYTES) throw tooLarge(MAX_JSON_BYTES);
    parts.push(piece);
  }
  return Buffer.concat(parts);
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;
/** Between the items: in the list, which is in the document. */
const ITEMS_DEPTH = 2;
/** Some ms of work. All of a document would take 200 ms, and requests would wait. */
const TOKENS_AT_ONCE = 2_000;

/**
 * Finds the texts of the items of a document whose only field is a list, with rests.
 * @throws Problem 422 when that field is given twice, of which `JSON.parse` keeps the last one
 */
async function cutItems(document: string): Promise<readonly (readonly [from: number, to: number])[]> {
  const found: [from: number, to: number][] = [];
  let depth = 0;
  let from = 0;
  let tokens = 0;
  for (const { 0: token, index } of document.matchAll(TOKEN)) {
    if ((tokens += 1) % TOKENS_AT_ONCE === 0) await setImmediate();
    // Behind the only field.
    if (depth === 1 && token === ',')
      throw invalidFields([{ field: 'items', reason: 'is given more than once' }]);
    const isEnd = depth === ITEMS_DEPTH && (token === ',' || token === ']');
    if (isEnd && document.slice(from, index).trim() !== '') found.push([from, index]);
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (token !== ',') continue;
    if (depth === ITEMS_DEPTH && (token === '[' || token === ',')) from = index + 1;
  }
  return found;
}

function* inGroups<T>(items: Iterable<T>): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < ITEMS_AT_ONCE) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function tooMany(): Problem {
  return new Problem('invalid-request', {
    detail: 'This item and those behind it were not read.',
    errors: [{ field: '', reason: `a bulk must not have more than ${MAX_ITEMS} items` }],
  });
}

function tooLarge(maxBytes: number, what = 'The body'): Problem {
  return new Problem('too-large', { detail: `${what} must not exceed ${maxBytes} bytes.` });
}
