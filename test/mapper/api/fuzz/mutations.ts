import { z } from 'zod';
import { ENDPOINTS } from '../../../../mapper/api/endpoints.ts';
import type { Stage } from './callers.ts';
import { byLength, inChunks, rawJson, rawPart, type Draft, type RawField } from './draft.ts';
import {
  CONDITIONS,
  IDEMPOTENCY_KEYS,
  ODD_HEADERS,
  ODD_TEXTS,
  RAW_BODIES,
  RAW_PARTS,
  RAW_VALUES,
  TYPES,
} from './odd-values.ts';

/** Where a mutation gets its choices from. */
export interface Chance {
  readonly stage: Stage;
  /** A number from 0 to below `limit`. */
  upTo(limit: number): number;
  pick<T>(from: readonly T[]): T;
}

export type Mutation = readonly [name: string, mutate: (draft: Draft, chance: Chance) => void];

/** The names of all fields of all bodies. */
export const FIELD_NAMES = [
  ...new Set(ENDPOINTS.flatMap(({ body }) => (body instanceof z.ZodObject ? Object.keys(body.shape) : []))),
];

/** A field of the body, or a new one. */
function fieldOf(draft: Draft, chance: Chance): RawField {
  draft.fields ??= [];
  const field = draft.fields[chance.upTo(draft.fields.length + 1)] ?? [
    rawJson(chance.pick(FIELD_NAMES)),
    '1',
  ];
  if (!draft.fields.includes(field)) draft.fields.push(field);
  return field;
}

function oddValue(chance: Chance): string {
  return chance.upTo(2) === 0 ? rawJson(chance.pick(ODD_TEXTS)) : chance.pick(RAW_VALUES);
}

function oddPart(chance: Chance): string {
  return chance.upTo(3) === 0 ? rawPart(chance.pick(ODD_TEXTS)).slice(0, 6_000) : chance.pick(RAW_PARTS);
}

/** The same name in JSON, spelled with an escape. */
function escaped(name: string): string {
  return name.replace(/[a-z]/, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
}

/** A text with one character replaced, removed or doubled. */
function damaged(text: string, chance: Chance): string {
  const at = chance.upTo(text.length);
  return (
    text.slice(0, at) +
    chance.pick(['', 'A', '_', '%', text.slice(at, at + 1).repeat(2)]) +
    text.slice(at + 1)
  );
}

/** Requests that are well-formed HTTP: each gets exactly one answer. */
export const MUTATIONS: readonly Mutation[] = [
  ['a value', (draft, chance) => (fieldOf(draft, chance)[1] = oddValue(chance))],
  ['a value of several', (draft, chance) => (fieldOf(draft, chance)[1] = `[${oddValue(chance)}]`)],
  ['the name of a field', (draft, chance) => (fieldOf(draft, chance)[0] = rawJson(chance.pick(ODD_TEXTS)))],
  ['a field twice', (draft, chance) => draft.fields?.push([...fieldOf(draft, chance)])],
  [
    'a field twice, in another spelling',
    (draft, chance) => {
      const [name, value] = fieldOf(draft, chance);
      draft.fields?.push([escaped(name), value]);
    },
  ],
  ['no field', (draft, chance) => draft.fields?.splice(chance.upTo(draft.fields.length), 1)],
  [
    'another field',
    (draft, chance) => (draft.fields ??= []).push([rawJson(chance.pick(FIELD_NAMES)), oddValue(chance)]),
  ],
  ['a body', (draft, chance) => (draft.body = chance.pick(RAW_BODIES))],
  ['a long body', (draft) => (draft.body = `{"a":"${'a'.repeat(70_000)}"}`)],
  ['no body', (draft) => ([draft.fields, draft.body] = [undefined, undefined])],
  [
    'chunks',
    (draft, chance) => (draft.frame = inChunks([chance.pick([1, 7, 100, 5_000]), 1 + chance.upTo(50)])),
  ],
  ['a type', (draft, chance) => draft.headers.push(['Content-Type', chance.pick(TYPES)])],
  [
    'only another type',
    (draft, chance) => {
      draft.headers = draft.headers.filter(([name]) => name !== 'Content-Type');
      draft.headers.push(['Content-Type', chance.pick(TYPES)]);
    },
  ],
  ['If-Match', (draft, chance) => draft.headers.push(['If-Match', chance.pick(CONDITIONS)])],
  [
    'Idempotency-Key',
    (draft, chance) => draft.headers.push(['Idempotency-Key', chance.pick(IDEMPOTENCY_KEYS)]),
  ],
  ['If-None-Match', (draft, chance) => draft.headers.push(['If-None-Match', chance.pick(CONDITIONS)])],
  ['a header', (draft, chance) => draft.headers.push([...chance.pick(ODD_HEADERS)])],
  ['a header', (draft, chance) => draft.headers.push([...chance.pick(ODD_HEADERS)])],
  [
    'another credential too',
    (draft, chance) => {
      for (const [name, value] of chance.pick(chance.stage.bad).headers) draft.headers.push([name, value]);
    },
  ],
  [
    'a method',
    (draft, chance) =>
      (draft.method = chance.pick(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'DELETE'])),
  ],
  ['HTTP/1.0', (draft) => (draft.version = '1.0')],
  [
    'a part of the path',
    (draft, chance) => {
      const parts = draft.path.split('/');
      parts[1 + chance.upTo(parts.length - 1)] = oddPart(chance);
      draft.path = parts.join('/');
    },
  ],
  [
    'a parameter of the path',
    (draft, chance) => {
      if (draft.endpoint.path.includes('{'))
        draft.path = draft.endpoint.path.replaceAll(/\{\w+\}/g, () => oddPart(chance));
    },
  ],
  ['more of the path', (draft, chance) => (draft.path += `/${chance.pick(['', oddPart(chance)])}`)],
  ['//', (draft) => (draft.path = draft.path.replace('/', '//'))],
  ['a parameter', (draft, chance) => draft.query.push([oddPart(chance), oddPart(chance)])],
  [
    'the value of a parameter',
    (draft, chance) => {
      const names = Object.keys(draft.endpoint.query?.shape ?? { q: 0 });
      draft.query.push([chance.pick(names), oddPart(chance)]);
    },
  ],
  ['a parameter twice', (draft, chance) => draft.query.push(...draft.query.slice(chance.upTo(2)))],
  [
    'a cursor',
    (draft, chance) => draft.query.push(['cursor', damaged(chance.pick(chance.stage.cursors), chance)]),
  ],
  [
    'parameters like lists',
    (draft, chance) => draft.query.push([`${chance.pick(['q', 'limit', 'cursor'])}[]`, '1']),
  ],
];

const LENGTHS = ['-1', '+5', '0x5', '5, 5', '5,6', '1e1', '', 'a', '99999999999999999999', '\u0660', '0 1'];

/** Requests that are no well-formed HTTP, end early, or whose parts can be read in two ways. */
export const ENDS: readonly Mutation[] = [
  [
    'a wrong length',
    (draft, chance) => {
      const more = chance.pick([-5, -1, 1, 5, 5_000]);
      draft.frame = (body) => ({ headers: `Content-Length: ${Math.max(0, body.length + more)}\r\n`, body });
    },
  ],
  [
    'a length that is none',
    (draft, chance) => {
      const length = chance.pick(LENGTHS);
      draft.frame = (body) => ({ headers: `Content-Length: ${length}\r\n`, body });
    },
  ],
  [
    'two lengths',
    (draft) =>
      (draft.frame = (body) => ({ headers: `Content-Length: 0\r\n${byLength(body).headers}`, body })),
  ],
  [
    'length and chunks',
    (draft) => {
      const chunked = inChunks([10]);
      draft.frame = (body) => ({
        headers: `Content-Length: 3\r\n${chunked(body).headers}`,
        body: chunked(body).body,
      });
    },
  ],
  [
    'bad chunks',
    (draft, chance) => {
      const chunked = inChunks([1 + chance.upTo(20)]);
      const cut = chance.upTo(8);
      const bad = chance.pick(['g\r\n', '-1\r\nx\r\n', 'ffffffffffffffff\r\n', '1\n', '\0', '5;"\r\nab']);
      draft.frame = (body) => {
        const { headers, body: bytes } = chunked(body);
        return { headers, body: bytes.slice(0, -cut) + bad };
      };
    },
  ],
  [
    'too many chunks',
    (draft) =>
      (draft.frame = () => ({
        headers: 'Transfer-Encoding: chunked\r\n',
        body: `${'1\r\n{\r\n'.repeat(1_500)}0\r\n\r\n`,
      })),
  ],
  [
    'a coding',
    (draft, chance) => {
      const coding = chance.pick([
        'gzip',
        'gzip, chunked',
        'chunked, chunked',
        'identity',
        'xchunked',
        '\tchunked',
      ]);
      draft.frame = (body) => ({ headers: `Transfer-Encoding: ${coding}\r\n`, body });
    },
  ],
  [
    'an odd byte in a header',
    (draft, chance) => draft.headers.push(['X-Odd', `a${chance.pick(['\0', '\r', '\n', '\x01', '\r\n '])}b`]),
  ],
  [
    'an odd name of a header',
    (draft, chance) => draft.headers.push([chance.pick(['', 'A B', 'A\0', '(a)', '\xff']), '1']),
  ],
  ['long headers', (draft) => draft.headers.push(['X-Long', 'x'.repeat(17_000)])],
  [
    'many headers',
    (draft) => draft.headers.push(...Array.from({ length: 2_500 }, (): [string, string] => ['X', '1'])),
  ],
  ['a long path', (draft) => (draft.path += 'x'.repeat(17_000))],
  [
    'an odd byte in the path',
    (draft, chance) => (draft.path += chance.pick([' ', '\0', '\t', '\xff', '\x7f', '#a'])),
  ],
  ['no path', (draft, chance) => (draft.path = chance.pick(['', '*', 'urls', 'http://', 'http://a b/urls']))],
  [
    'an odd method',
    (draft, chance) => (draft.method = chance.pick(['get', 'GETT', 'TRACE', 'CONNECT', 'QUERY', '', 'G\0T'])),
  ],
  [
    'an odd version',
    (draft, chance) => (draft.version = chance.pick(['2.0', '0.9', '1.2', '', '1.1.1', 'x'])),
  ],
];
