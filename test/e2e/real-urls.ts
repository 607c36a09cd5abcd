import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Distinct URLs and their source. */
export interface UrlSource {
  readonly urls: readonly string[];
  readonly from: string;
}

/**
 * `count` distinct URLs that people have published: the Homepage fields of Debian's package index on this
 * machine. When the index is missing or too small, generated URLs fill the number, and `from` says so.
 */
export async function realUrls(count: number): Promise<UrlSource> {
  const homepages = await readHomepages();
  const real = [...new Set(homepages.filter(isTarget))].slice(0, count);
  const generated = Array.from(
    { length: count - real.length },
    (_, index) => `https://example.org/generated/${index}?q=%E2%9C%93&n=${index * 7919}`,
  );
  const from = `${real.length} Homepage fields of Debian's package index, ${generated.length} generated`;
  return { urls: [...real, ...generated], from };
}

async function readHomepages(): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)('apt-cache', ['dumpavail'], { maxBuffer: 2 ** 30 });
    return [...stdout.matchAll(/^Homepage: *(\S+)$/gm)].map(([, url = '']) => url);
  } catch {
    return [];
  }
}

/**
 * URLs that docs/contract.md accepts: http or https, no credentials, at most 2,048 bytes, a public host that
 * can exist. (The index contains `http://http://code.google.com/p/ucpp/`.)
 */
function isTarget(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.href.length <= 2_048 &&
    !/^localhost$|\.localhost$|^\[|^[\d.]+$|^https?$/.test(url.hostname)
  );
}
