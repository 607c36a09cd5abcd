import { parseLine, type Draft, type Header } from './draft.ts';
import type { RequestGenerator } from './generator.ts';
import { ODD_LINES } from './odd-lines.ts';
import {
  CODINGS,
  LENGTHS,
  LINE_ENDS,
  METHODS,
  ODD_BODIES,
  ODD_HOSTS,
  ODD_TARGETS,
  QUERIES,
  TYPES,
  VERSIONS,
} from './oddities.ts';

type Mutation = readonly [name: string, mutate: (draft: Draft, generator: RequestGenerator) => void];

function headerOf(draft: Draft, name: string): Header | undefined {
  return draft.headers.find((header) => header.name.toLowerCase() === name);
}

function insertLine(draft: Draft, generator: RequestGenerator, line: string): void {
  draft.headers.splice(generator.upTo(draft.headers.length + 1), 0, parseLine(line));
}

/** Gives the request this body with its length. */
function setBody(draft: Draft, body: string): void {
  draft.body = body;
  const length = headerOf(draft, 'content-length');
  if (length === undefined) draft.headers.push(parseLine(`Content-Length: ${body.length}`));
  else length.value = String(body.length);
}

export const MUTATIONS: readonly Mutation[] = [
  ['method', (draft, generator) => (draft.method = generator.pickOf(METHODS.split(' ')))],
  ['target', (draft, generator) => (draft.target = generator.pickOf(ODD_TARGETS))],
  ['target', (draft, generator) => (draft.target = generator.pickOf(ODD_TARGETS))],
  ['query', (draft, generator) => (draft.target += generator.pickOf(QUERIES))],
  ['version', (draft, generator) => (draft.version = generator.pickOf(VERSIONS.split('|')))],
  [
    'space in the first line',
    (draft, generator) =>
      (draft.spaces[generator.upTo(2)] = generator.pickOf([
        '',
        '  ',
        '\t',
        ' \t',
        '\0',
        '\x0b',
        '\r',
        '\xa0',
      ])),
  ],
  ['end of the first line', (draft, generator) => (draft.lineEnd = generator.pickOf(LINE_ENDS))],
  [
    'end of a header',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined) header.end = generator.pickOf(LINE_ENDS);
    },
  ],
  ['end of the head', (draft, generator) => (draft.headEnd = generator.pickOf(LINE_ENDS))],
  [
    'bytes before',
    (draft, generator) =>
      (draft.before = generator.pickOf(['\r\n', '\r\n\r\n', '\n', '\r', ' ', '\t', '\0', '\xef\xbb\xbf'])),
  ],
  [
    'bytes after',
    (draft, generator) =>
      (draft.after = generator.pickOf(['\r\n', '\r\n\r\n', '\n', '\r', ' ', '\0', 'x', 'GARBAGE\r\n\r\n'])),
  ],
  [
    'Host',
    (draft, generator) => {
      const host = headerOf(draft, 'host');
      if (host !== undefined) host.value = generator.pickOf(ODD_HOSTS.split('|'));
    },
  ],
  ['no Host', (draft) => (draft.headers = draft.headers.filter(({ name }) => name.toLowerCase() !== 'host'))],
  ['line', (draft, generator) => insertLine(draft, generator, generator.pickOf(ODD_LINES))],
  ['line', (draft, generator) => insertLine(draft, generator, generator.pickOf(ODD_LINES))],
  ['line', (draft, generator) => insertLine(draft, generator, generator.pickOf(ODD_LINES))],
  [
    'colon',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined)
        header.colon = generator.pickOf([
          ':',
          ' :',
          '\t: ',
          ' : ',
          '::',
          '',
          ':  ',
          ':\t',
          ':\t ',
          ':\0',
          ':\x0b',
          ':\r\n ',
          '=',
        ]);
    },
  ],
  [
    'name',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined) header.name = generator.mutateByte(header.name);
    },
  ],
  [
    'case of a name',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined)
        header.name = generator.upTo(2) === 0 ? header.name.toUpperCase() : header.name.toLowerCase();
    },
  ],
  [
    'value',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined) header.value = generator.mutateByte(header.value);
    },
  ],
  [
    'long value',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined)
        header.value += 'v'.repeat(generator.pickOf([1_000, 8_000, 16_000, 16_300, 17_000]));
    },
  ],
  [
    'many headers',
    (draft, generator) => {
      const count = generator.pickOf([31, 32, 60, 61, 62, 63, 64, 65, 100, 500]);
      for (let index = 0; index < count; index += 1) draft.headers.push(parseLine(`X-Many: ${index}`));
    },
  ],
  [
    'length',
    (draft, generator) =>
      insertLine(draft, generator, `Content-Length: ${generator.pickOf(LENGTHS.split('|'))}`),
  ],
  [
    'length of the body',
    (draft, generator) => {
      const length = headerOf(draft, 'content-length');
      if (length === undefined) return;
      length.value = generator.pickOf([
        `+${length.value}`,
        `0${length.value}`,
        `${length.value} `,
        ` ${length.value}`,
        `${length.value}, ${length.value}`,
        `0x${Number(length.value).toString(16)}`,
        String(Number(length.value) - 1),
        String(Number(length.value) + 1),
        '0',
        '',
      ]);
    },
  ],
  [
    'coding',
    (draft, generator) =>
      insertLine(draft, generator, `Transfer-Encoding: ${generator.pickOf(CODINGS.split('|'))}`),
  ],
  [
    'chunks',
    (draft, generator) => {
      const size = draft.body.length.toString(16);
      const extension = generator.pickOf([
        '',
        '',
        ';a',
        ';a=b',
        ';a="b"',
        ' ',
        '\t',
        ';\0',
        ';\n',
        'x',
        ';a\rb',
      ]);
      const end = generator.pickOf([
        '0\r\n\r\n',
        '0\r\n\r\n',
        '0\r\nA: b\r\n\r\n',
        '0\n\n',
        '00\r\n\r\n',
        '0\r\n',
        '0;x\r\n\r\n',
      ]);
      draft.headers = draft.headers.filter(({ name }) => name.toLowerCase() !== 'content-length');
      insertLine(draft, generator, 'Transfer-Encoding: chunked');
      draft.body = `${draft.body === '' ? '' : `${size}${extension}\r\n${draft.body}\r\n`}${end}`;
    },
  ],
  ['body', (draft, generator) => setBody(draft, generator.pickOf(ODD_BODIES))],
  ['body', (draft, generator) => setBody(draft, generator.pickOf(ODD_BODIES))],
  ['byte of the body', (draft, generator) => setBody(draft, generator.mutateByte(draft.body))],
  ['body without length', (draft, generator) => (draft.body = generator.pickOf(ODD_BODIES))],
  [
    'type',
    (draft, generator) => {
      const type = headerOf(draft, 'content-type');
      if (type === undefined) insertLine(draft, generator, `Content-Type: ${generator.pickOf(TYPES)}`);
      else type.value = generator.pickOf(TYPES);
    },
  ],
  [
    'header twice',
    (draft, generator) => {
      const header = generator.pickOf(draft.headers);
      if (header !== undefined) draft.headers.push({ ...header });
    },
  ],
  ['headers in reverse', (draft) => draft.headers.reverse()],
];
