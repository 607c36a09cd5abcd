import { createRandom } from '../../runtime/random.ts';

/** A generated request. */
export interface Generated {
  readonly bytes: Buffer;
  /** The mutations that made it. None: a request of the usual form. */
  readonly mutations: readonly string[];
}

export interface GeneratorOptions {
  readonly seed: number;
  /** Keys of links, and keys without one. */
  readonly keys: readonly string[];
  /** The share of requests of the usual form. */
  readonly usualShare?: number;
}

interface Header {
  name: string;
  colon: string;
  value: string;
  end: string;
}

/** A request in parts, each of which can be mutated. Its text stands for bytes: latin1. */
interface Draft {
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

type Random = () => number;

const NAMES = [
  'Accept: */*',
  'Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: de-DE,de;q=0.9,en;q=0.8',
  'User-Agent: curl/8.5.0',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Referer: https://news.example/?a=b#c',
  'X-Request-Id: trace/42:a',
  'X-Forwarded-For: 192.0.2.1, 198.51.100.7',
  'Sec-Fetch-Mode: navigate',
  'DNT: 1',
  'Cache-Control: no-cache',
  'If-None-Match: "abc"',
  'Range: bytes=0-1',
  'Via: 1.1 proxy',
  'Authorization: Bearer abc',
  'Origin: https://a.example',
  'Priority: u=0, i',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
];

const HOSTS = ['x', 'x:80', 'go.example', 'GO.example:443', '127.0.0.1:8080', 'a_b-c.example'];

const ODD_HOSTS =
  "|a b|a/b|x:y|x:|[|[::1]|[::1]:80|::1|\u00fc|%|a%20b|a@b|u:p@a|a,b|x, y|a?b|a#b|<x>|x:1:2|x\t|\tx|x\0|a!$&'()*+,;=~|.|..|-";

const METHODS =
  'GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT QUERY PRI get Get GETT GE G POST, M-SEARCH PROPFIND GET\t ACL';

const ODD_TARGETS = [
  '/ // * /urls /URLS /urls/ /urls? /urls?x=1 /urls/x /Urls.txt /health /livez /robots.txt /favicon.ico /status',
  '/known-link/ /known-link/x //known-link /known%2Dlink /known-link% /known-link;x /known-link#x /known-link?#',
  '/KNOWN-LINK /known-link. /known-link). /known-link%E2%80%8B /known-link\u00a0 /known-link\u00fc /known-link\\',
  'known-link http://x/known-link https://x/known-link http://x x:443 ?known-link #known-link /known-link|x',
  'HTTP://X/known-link http://u:p@x/known-link http:///known-link /. /.. /./known-link /../known-link /a /ab /abc',
  `/${'a'.repeat(63)} /${'a'.repeat(64)} /${'a'.repeat(65)} /${'a'.repeat(8_000)} /${'a'.repeat(17_000)}`,
].flatMap((line) => line.split(' '));

const QUERIES = [
  '?',
  '?a=b&c',
  '?utm_source=x',
  '?/../%zz',
  '?a?b',
  '?\u00fc',
  '?a\tb',
  '?"',
  `?${'q'.repeat(3_000)}`,
];

const VERSIONS =
  'HTTP/1.0|HTTP/0.9|HTTP/2.0|HTTP/1.2|HTTP/1.|HTTP/.1|HTTP/11|HTTP/1.10|HTTP/01.1|http/1.1|Http/1.1|HTTP/1,1|HTTP 1.1|HTTP/1.1 |HTTP/1.1\t|HTTP/1.1x|HTTPS/1.1|ICE/1.0|RTSP/1.0||HTTP/+1.1|HTTP/1.1 HTTP/1.1';

const LENGTHS =
  '0|1|7|+5|-1|05|0x5|5.0|5e0|5, 5|5,6|5 5| 5|5 ||a|\u0665|99999|65536|65537|18446744073709551616|9007199254740993|1_0|5;|"5"';

const CODINGS =
  'chunked|Chunked|chunked |\tchunked|\x0bchunked|chunked, chunked|gzip, chunked|chunked, gzip|identity|identity, chunked|xchunked|chunkedx|chunked;q=1|"chunked"||, chunked|chunked,|chu nked|trailers';

/** Whole lines that make a request unusual, or look as if they did. */
const ODD_LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Keep-Alive, close',
  'Connection: x',
  'connection: CLOSE',
  'Connection:',
  'Connection: upgrade',
  'Connection: Host',
  'Connection: Content-Length',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: close',
  'Proxy-Connection: keep-alive',
  'Upgrade: h2c',
  'Upgrade: websocket\r\nConnection: Upgrade',
  'HTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings',
  'Expect: 100-continue',
  'Expect: 100-Continue',
  'Expect: 200-ok',
  'Expect:',
  'TE: trailers',
  'TE: trailers, deflate',
  'Trailer: Content-Length',
  'Trailers: x',
  'Cookie: a=b',
  'Cookie: a=b\r\nCookie: c=d',
  'Content-Encoding: gzip',
  'Content-Encoding: identity',
  'Content-Encoding:',
  'Content-Type: application/json',
  'Content-Type: text/plain',
  'Purpose: prefetch',
  'Sec-Purpose: prefetch;prerender',
  'X-Moz: prefetch',
  'purpose:',
  'X-Purpose: prefetch',
  'X-Request-Id: one\r\nX-Request-Id: two',
  'X-Request-Id:',
  'X-Request-Id: a b',
  'X-Request-ID: "{}',
  `X-Request-Id: ${'a'.repeat(128)}`,
  `X-Request-Id: ${'a'.repeat(129)}`,
  'X-Request-Id: a\r\n b',
  'X-HTTP-Method-Override: DELETE',
  'Content_Length: 5',
  'Content-Length : 5',
  'Content-Length\t: 5',
  ' Content-Length: 5',
  'Transfer-Encoding : chunked',
  'Transfer_Encoding: chunked',
  'X\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Foo: bar\r\n baz',
  'Foo: bar\r\n\tTransfer-Encoding: chunked',
  'Foo: bar\rTransfer-Encoding: chunked',
  'Foo: bar\nTransfer-Encoding: chunked',
  'Foo: bar\nX-More: 1',
  'Foo:bar',
  'Foo:',
  'Foo: ',
  'Foo:\t',
  'Foo:  two',
  'Foo: two  ',
  'Foo: a\tb',
  'Foo: a\0b',
  'Foo: a\x01b',
  'Foo: a\x7fb',
  'Foo: \u00fc\u00ff',
  'Foo: :',
  ':',
  ': x',
  ':x: y',
  'Foo',
  'Foo Bar: x',
  'Foo(): x',
  'F\u00fco: x',
  'Foo\0: x',
  'Foo_Bar: x',
  'Foo1: x',
  '1: x',
  '-: x',
  'Foo.Bar: x',
  "!#$%&'*+-.^_`|~: x",
  'Foo/Bar: x',
  '"Foo": x',
  '{}: x',
  'GET /known-link HTTP/1.1',
  'Host: y',
  'host: x',
  'HOST:x',
  'Host : x',
  'Host:',
  'X-Host: y',
  'Forwarded: host=y',
  'X-Forwarded-Host: y',
];

const ODD_BODIES = [
  '',
  ' ',
  '{',
  '{}',
  '[]',
  'null',
  '7',
  '"text"',
  '{"long_url":7}',
  '{"long_url":"https://a.example/","long_url":"https://b.example/"}',
  '{"long_url":"https://a.example/","long\\u005furl":"https://b.example/"}',
  '{"long_url":"https://a.example/","more":1}',
  '{"long_url":"https://a.example/","__proto__":null}',
  '{"long_url":"https://a.example/","custom_alias":"taken-alias"}',
  '{"long_url":"https://a.example/","custom_alias":"urls"}',
  '{"long_url":"https://a.example/","expiration_date":"1999-01-01T00:00:00Z"}',
  '{"long_url":"https://a.example/","expiration_date":"2999-01-01T00:00:00+01:00"}',
  '{"long_url":"http://127.0.0.1/"}',
  '{"long_url":"https://go.example/x"}',
  '{"long_url":"ftp://a.example/"}',
  '\xef\xbb\xbf{"long_url":"https://a.example/"}',
  '{"long_url":"https://\xd0\xbf\xd1\x80.\xd1\x80\xd1\x84/"}',
  '{"long_url":"https://a.example/\xff"}',
  '  {  "long_url" : "HTTPS://A.example:443/a b"  }\r\n',
  `{"long_url":"https://a.example/${'a'.repeat(2_100)}"}`,
  `{"long_url":"https://a.example/","more":"${'a'.repeat(66_000)}"}`,
  '5\r\nhello\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '0\r\n\r\nGET /known-link HTTP/1.1\r\nHost: x\r\n\r\n',
];

const TYPES = [
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset=latin1',
  'application/json ',
  'application/problem+json',
  'application/jsonx',
  'application/json, text/plain',
  'text/plain',
  '',
];

/** Bytes at which parsers differ. */
const BYTES = '\0\t\n\x0b\x0c\r\x1f !"#,-./:;?@[\\]_{|}~\x7f\x80\x85\xa0\xff0aAZ';

/** Makes requests from a seed: the same seed, the same requests. */
export class RequestGenerator {
  readonly #options: Required<GeneratorOptions>;
  readonly #random: Random;
  #count = 0;
  readonly seed: number;

  constructor(options: GeneratorOptions) {
    this.#options = { usualShare: 0.4, ...options };
    this.seed = options.seed;
    this.#random = createRandom(options.seed);
  }

  /** A number from 0 to below `limit`. */
  upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  next(): Generated {
    this.#count += 1;
    const draft = this.#usual();
    const mutations: string[] = [];
    if (this.#random() >= this.#options.usualShare) {
      for (let count = 1 + this.upTo(this.upTo(3) + 1); count > 0; count -= 1) {
        const [name, mutate] = this.#pick(MUTATIONS);
        mutations.push(name);
        mutate(draft, this);
      }
    }
    let text = toText(draft);
    if (mutations.length > 0 && this.#random() < 0.15) {
      mutations.push('a byte');
      text = this.mutateByte(text);
    }
    return { bytes: Buffer.from(text, 'latin1'), mutations };
  }

  pickOf<T>(from: readonly T[]): T {
    return this.#pick(from);
  }

  /** Replaces, inserts, removes or doubles one byte. */
  mutateByte(text: string): string {
    const at = this.upTo(Math.min(text.length, this.#random() < 0.7 ? 200 : text.length));
    const byte = BYTES[this.upTo(BYTES.length)] ?? '';
    const [from, to] = this.#pick([
      [1, byte],
      [0, byte],
      [1, ''],
      [0, text[at] ?? ''],
    ] as const);
    return text.slice(0, at) + to + text.slice(at + from);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.upTo(from.length)] as T;
  }

  #usual(): Draft {
    const isPost = this.#random() < 0.3;
    const headers = Array.from({ length: this.#pick([0, 0, 1, 2, 4, 8]) }, () => this.#pick(NAMES));
    headers.splice(
      this.upTo(headers.length + 1),
      0,
      `${this.#pick(['Host', 'host', 'HOST'])}: ${this.#pick(HOSTS)}`,
    );
    const body = isPost ? this.#body() : '';
    if (isPost) {
      headers.push(`${this.#pick(['Content-Type', 'content-type'])}: application/json`);
      headers.splice(this.upTo(headers.length + 1), 0, `Content-Length: ${body.length}`);
    }
    return {
      before: '',
      method: isPost ? 'POST' : this.#pick(['GET', 'GET', 'GET', 'HEAD']),
      target: isPost ? '/urls' : this.#path(),
      version: 'HTTP/1.1',
      spaces: [' ', ' '],
      lineEnd: '\r\n',
      headers: headers.map(parseLine),
      headEnd: '\r\n',
      body,
      after: '',
    };
  }

  #path(): string {
    const key = this.#random() < 0.1 ? this.#name(8) : this.#pick(this.#options.keys);
    return `/${key}${this.#random() < 0.2 ? this.#pick(QUERIES.slice(0, 3)) : ''}`;
  }

  #name(length: number): string {
    return Array.from({ length }, () => this.upTo(36).toString(36)).join('');
  }

  #body(): string {
    const fields: Record<string, unknown> = {
      long_url: `https://example.com/${this.seed}/${this.#count}?q=${this.#pick(['', 'a b', '\u00e9'])}`,
    };
    // A new alias for each request, so that no two requests in flight compete for one.
    if (this.#random() < 0.2) fields['custom_alias'] = `g-${this.#name(10)}`;
    if (this.#random() < 0.1) fields['expiration_date'] = '2999-01-01T00:00:00Z';
    return Buffer.from(JSON.stringify(fields)).toString('latin1');
  }
}

function parseLine(line: string): Header {
  const [, name = '', colon = '', value = ''] = /^([^:]*)(: ?)([^]*)$/.exec(line) ?? [undefined, line];
  return { name, colon, value, end: '\r\n' };
}

function toText({
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

type Mutation = readonly [name: string, mutate: (draft: Draft, generator: RequestGenerator) => void];

const LINE_ENDS = [
  '\n',
  '\r',
  '\r\r\n',
  '\n\r',
  '\r\n ',
  '\r\n\t',
  ' \r\n',
  '\t\r\n',
  '\0\r\n',
  '\x0b\r\n',
  '',
];

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

const MUTATIONS: readonly Mutation[] = [
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
