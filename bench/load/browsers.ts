/** Common builds, of which each browser has one. */
const BUILDS = 3_000;
const MAJORS = 40;

/**
 * The header fields of a visitor who follows a link on a web page: what a browser sends, some 600 bytes.
 * Different visitors differ in the version of their browser and in the site that they come from.
 */
export function headersOfVisitor(visitor: number): string {
  const version = `${100 + (visitor % MAJORS)}.0.${6_000 + (visitor % BUILDS)}.${Math.floor(visitor / BUILDS)}`;
  return [
    `User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version} Safari/537.36`,
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-US,en;q=0.9,de;q=0.8',
    `Referer: https://site-${visitor}.example/articles/2026/page?from=list`,
    'Sec-Fetch-Dest: document',
    'Sec-Fetch-Mode: navigate',
    'Sec-Fetch-Site: cross-site',
    'Sec-Fetch-User: ?1',
    'Upgrade-Insecure-Requests: 1',
    '',
  ].join('\r\n');
}
