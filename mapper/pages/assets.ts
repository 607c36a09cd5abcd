import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { acceptedWeight } from '../http/accepted-weight.ts';
import { shortenStyle } from '../../runtime/style-text.ts';
import { LOOK } from '../http/style-text.ts';

/** A file that pages load. */
interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  /** Where pages find it. Other bytes have another address, so it may be kept for ever. */
  readonly path: string;
}

/** An asset in one of its codings. */
export interface EncodedAsset {
  readonly type: string;
  readonly bytes: Buffer;
  readonly coding: Coding | undefined;
  /** Whether the address is that of these bytes. */
  readonly isCurrent: boolean;
}

type Coding = 'br' | 'gzip';

const compress: Readonly<Record<Coding, (bytes: Buffer) => Promise<Buffer>>> = {
  br: async (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  gzip: async (bytes) => promisify(gzip)(bytes, { level: 9 }),
};

const JAVASCRIPT = 'text/javascript; charset=utf-8';

const FILES = {
  'pages.css': toAsset(
    'pages.css',
    'text/css; charset=utf-8',
    LOOK + shortenStyle(read('pages.css').toString()) + shortenStyle(read('links.css').toString()),
  ),
  'pages.js': toAsset('pages.js', JAVASCRIPT, Buffer.concat([read('pages.js'), read('links.js')])),
  'icon.svg': toAsset('icon.svg', 'image/svg+xml', read('icon.svg')),
} as const satisfies Record<string, Asset>;

export type AssetName = keyof typeof FILES;

/** Where a page finds an asset. */
export function pathOf(name: AssetName): string {
  return FILES[name].path;
}

/** The assets of all pages. Each is compressed when it is first asked for, and kept so. */
export class Assets {
  readonly #compressed = new Map<string, Promise<Buffer>>();

  /**
   * @param path of the request. With another release's hash it is answered too: while the mappers of a
   *   cluster are replaced, a page may come from one release and its style from another.
   * @param acceptEncoding the header
   */
  async find(path: string, acceptEncoding: string): Promise<EncodedAsset | undefined> {
    const name = /^\/static\/[\w-]{16}\/([\w.-]+)$/.exec(path)?.[1] ?? '';
    if (!Object.hasOwn(FILES, name)) return undefined;
    const { type, bytes, path: current } = FILES[name as AssetName];
    const coding = codingFor(acceptEncoding);
    const isCurrent = path === current;
    if (coding === undefined) return { type, bytes, coding, isCurrent };
    return { type, bytes: await this.#compress(name, bytes, coding), coding, isCurrent };
  }

  async #compress(name: string, bytes: Buffer, coding: Coding): Promise<Buffer> {
    const kept = this.#compressed.get(`${coding} ${name}`);
    if (kept !== undefined) return kept;
    const compressed = compress[coding](bytes);
    this.#compressed.set(`${coding} ${name}`, compressed);
    return compressed;
  }
}

function codingFor(acceptEncoding: string): Coding | undefined {
  const [brotli, zipped] = [/^br(?:;|$)/, /^(?:x-)?gzip(?:;|$)/].map((coding) =>
    acceptedWeight(acceptEncoding, coding),
  ) as [number, number];
  if (brotli > 0 && brotli >= zipped) return 'br';
  return zipped > 0 ? 'gzip' : undefined;
}

function read(name: string): Buffer {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url));
}

function toAsset(name: string, type: string, content: string | Buffer): Asset {
  const bytes = Buffer.from(content);
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
  return { type, bytes, path: `/static/${hash}/${name}` };
}
