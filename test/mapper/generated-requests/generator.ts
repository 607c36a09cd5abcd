import { createRandom } from '../../../runtime/random.ts';
import { parseLine, toText, type Draft } from './draft.ts';
import { MUTATIONS } from './mutations.ts';
import { BYTES, QUERIES } from './oddities.ts';

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
