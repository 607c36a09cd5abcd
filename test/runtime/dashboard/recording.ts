import { readFileSync } from 'node:fs';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { Facts, Seen, TimelineEvent } from '../../../runtime/dashboard/seen.ts';

/*
 * What the sources of a dashboard said, and when. Of a list, an entry that was said before stands as its
 * place in the list of that time, so a line has what was new. A file has one line of JSON for each telling.
 */

/** Something that a source said. */
export interface Told {
  /** Since the beginning of the recording. */
  readonly atMs: number;
  readonly part?: Seen;
  /** What another process had seen happen. */
  readonly events?: readonly TimelineEvent[];
}

export interface Recording {
  readonly facts: Facts;
  /** When it began, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly told: readonly Told[];
}

/** Lists of which most entries are the same as before. */
const LISTS = ['members', 'keysDbs', 'pools'] as const;
type Entry = Readonly<Record<string, unknown>>;

export const FILE = new URL('recorded-feed.ndjson.br', import.meta.url);

/** The recording in the repository, made by `record-feed.ts`. */
export function readRecording(): Recording {
  const [head, ...lines] = brotliDecompressSync(readFileSync(FILE)).toString().trim().split('\n');
  const last = new Map<string, readonly Entry[]>();
  const told = lines.map((line) => expand(JSON.parse(line, revive) as Told, last));
  return { ...(JSON.parse(head ?? '') as Omit<Recording, 'told'>), told };
}

/** The bytes of a file. */
export function packRecording({ told, ...head }: Recording): Buffer {
  const last = new Map<string, string[]>();
  const lines = told.map((one) => JSON.stringify(shorten(one, last), replace));
  const text = [JSON.stringify(head), ...lines].join('\n');
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 };
  return brotliCompressSync(text, { params });
}

/** Three digits are enough for what a page shows. Other numbers have none behind the point. */
function replace(_: string, value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value] };
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value;
}

function revive(_: string, value: unknown): unknown {
  const isMap = typeof value === 'object' && value !== null && '$map' in value;
  return isMap ? new Map(value.$map as Iterable<[string, unknown]>) : value;
}

function shorten(told: Told, last: Map<string, string[]>): object {
  const part: Record<string, unknown> = { ...told.part };
  for (const name of LISTS) {
    const list = told.part?.[name];
    if (list === undefined) continue;
    const texts = list.map((entry) => JSON.stringify(entry, replace));
    const before = last.get(name) ?? [];
    part[name] = list.map((entry, at) => (before[at] === texts[at] ? at : entry));
    last.set(name, texts);
  }
  return { ...told, ...(told.part !== undefined && { part }) };
}

function expand(told: Told, last: Map<string, readonly Entry[]>): Told {
  if (told.part === undefined) return told;
  const part: Record<string, unknown> = { ...told.part };
  for (const name of LISTS) {
    const list = part[name] as readonly (Entry | number)[] | undefined;
    if (list === undefined) continue;
    const before = last.get(name) ?? [];
    const entries = list.map((entry) => (typeof entry === 'number' ? (before[entry] ?? {}) : entry));
    part[name] = entries;
    last.set(name, entries);
  }
  return { ...told, part };
}
