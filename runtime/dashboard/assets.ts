import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { COLOURS, shortenStyle } from '../style-text.ts';
import type { AssetPaths } from './page.ts';
import { ASSETS_PATH } from './paths.ts';

/** A file of the page. Its path changes with its content, so browsers keep it for ever. */
export interface Asset {
  readonly path: string;
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly brotli: Buffer;
}

export interface Assets {
  readonly paths: AssetPaths;
  readonly all: readonly Asset[];
}

/** Reads and compresses the files: some milliseconds. It is done when the page is first asked for. */
export function readAssets(): Assets {
  const look = COLOURS + shortenStyle(read('dashboard.css').toString());
  const style = toAsset('dashboard.css', 'text/css; charset=utf-8', Buffer.from(look));
  const script = toAsset('dashboard.js', 'text/javascript; charset=utf-8', read('dashboard.js'));
  const icon = toAsset('icon.svg', 'image/svg+xml', read('icon.svg'));
  return {
    paths: { style: style.path, script: script.path, icon: icon.path },
    all: [style, script, icon],
  };
}

function read(name: string): Buffer {
  return readFileSync(new URL(`assets/${name}`, import.meta.url));
}

function toAsset(name: string, type: string, plain: Buffer): Asset {
  const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 12);
  return {
    path: `${ASSETS_PATH}${hash}/${name}`,
    type,
    plain,
    gzip: gzipSync(plain),
    brotli: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
  };
}
