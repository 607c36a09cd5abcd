import { createHash } from 'node:crypto';
import type { ImageFacts } from '../../db/urls/image-facts.ts';
import { groupDigits } from '../../runtime/grouped-digits.ts';
import { escapeHtml } from '../http/html.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { pageAnswer } from '../http/problem-page.ts';
import { shortenStyle } from '../../runtime/style-text.ts';
import { LOOK } from '../http/style-text.ts';
import { VISITOR_TEXTS } from '../http/visitor-texts.ts';

const TEXTS = VISITOR_TEXTS.image;

export interface ShownImage {
  readonly image: ImageFacts;
  /** '': it has none. */
  readonly title: string;
  /** Of this page. */
  readonly shortUrl: string;
  /** Of the picture, without the origin. */
  readonly path: string;
  /** Of the picture, with the origin. */
  readonly imageUrl: string;
  /** Search engines shall not show it. */
  readonly isHidden: boolean;
}

/*
 * The picture has its own size, or as much of it as fits the window. Very long ones would become too thin to
 * be seen: they keep a readable size, and one scrolls along them. Behind a transparent picture there are
 * light squares in both colour schemes, because most of those are drawn for a light page.
 */
const STYLE =
  LOOK +
  shortenStyle(`
  :root { --edge: rgb(0 0 0 / 0.12); }
  @media (prefers-color-scheme: dark) { :root { --edge: rgb(255 255 255 / 0.16); } }
  body { min-height: 100vh; min-height: 100svh; display: grid; place-items: center;
    padding: clamp(1rem, 3vw, 2.5rem); }
  main { width: 100%; min-width: 0; }
  figure { margin: 0; display: grid; justify-items: center; gap: 1.25rem; }
  .view { display: block; max-width: 100%; border-radius: 0.5rem; overflow: hidden; }
  .view.wide { overflow-x: auto; }
  .view a { display: block; width: fit-content; max-width: 100%; }
  .view.wide a { max-width: none; }
  img { display: block; max-width: 100%; width: auto; height: auto; max-height: 78vh; max-height: 78svh;
    border-radius: inherit; outline: 1px solid var(--edge); outline-offset: -1px; }
  img.clear { background: repeating-conic-gradient(#e3e6eb 0 25%, #fff 0 50%) 0 0 / 1.25rem 1.25rem; }
  .tall a { max-width: 45rem; }
  .tall img { max-height: none; }
  .small { border-radius: 0.125rem; }
  .wide img { max-width: none; max-height: clamp(11rem, 40vh, 30rem); }
  figcaption { width: 100%; max-width: 45rem; text-align: center; overflow-wrap: anywhere; }
  h1 { margin: 0 0 0.25rem; font-size: 1.25rem; line-height: 1.3; font-weight: 600; text-wrap: balance; }
  h1.none { color: var(--quiet); font-weight: 400; }
  p { margin: 0; display: flex; flex-wrap: wrap; justify-content: center; align-items: baseline;
    column-gap: 0.75rem; color: var(--quiet); font-size: 0.9375rem; }
  p a { color: var(--main); padding: 0.375rem 0.25rem; }
`);

const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

/** Nothing but its own style, and pictures of ours. */
const POLICY = `default-src 'none'; img-src 'self'; style-src ${STYLE_SOURCE}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The page that a link to an image shows, to everybody. It has no script. */
export function imagePage(shown: ShownImage): PreparedAnswer {
  const headers = {
    'Content-Security-Policy': POLICY,
    ...(shown.isHidden && { 'X-Robots-Tag': 'noindex' }),
  };
  return pageAnswer({ status: 200, reason: 'OK', body: toHtml(shown), headers, variesByAccept: false });
}

function toHtml(shown: ShownImage): string {
  const { image, title, path, shortUrl, imageUrl, isHidden } = shown;
  const name = title === '' ? TEXTS.untitled : title;
  const [heading, quietly] = [escapeHtml(name), title === '' ? ' class="none"' : ''];
  const facts = factsOf(image);
  const src = escapeHtml(path);
  const scrolls = shapeOf(image) === ' wide' ? ` tabindex="0" role="group" aria-label="${TEXTS.whole}"` : '';
  const board = image.type === 'jpeg' ? '' : ' class="clear"';
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${heading} – Keymill</title>
    ${isHidden ? '<meta name="robots" content="noindex">\n    ' : ''}<meta name="description" content="${facts}">
    ${cardTags({ name, facts, image, shortUrl, imageUrl })}
    <style>${STYLE}</style>
  </head>
  <body>
    <main>
      <figure>
        <div class="view${shapeOf(image)}"${scrolls}><a href="${src}"><img src="${src}" width="${image.width}" height="${image.height}" alt="${heading}"${board}></a></div>
        <figcaption>
          <h1 dir="auto"${quietly}>${heading}</h1>
          <p><span>${facts}</span> <a href="${src}">${TEXTS.original}</a></p>
        </figcaption>
      </figure>
    </main>
  </body>
</html>
`;
}

/** What messengers and social networks show of the link. */
function cardTags({
  name,
  facts,
  image,
  shortUrl,
  imageUrl,
}: Pick<ShownImage, 'image' | 'shortUrl' | 'imageUrl'> & { name: string; facts: string }): string {
  const tags: readonly (readonly [string, string])[] = [
    ['og:type', 'website'],
    ['og:site_name', 'Keymill'],
    ['og:url', shortUrl],
    ['og:title', name],
    ['og:description', facts],
    ['og:image', imageUrl],
    ['og:image:type', `image/${image.type}`],
    ['og:image:width', String(image.width)],
    ['og:image:height', String(image.height)],
    ['og:image:alt', name],
  ];
  const lines = tags.map(
    ([property, content]) => `<meta property="${property}" content="${escapeHtml(content)}">`,
  );
  lines.push('<meta name="twitter:card" content="summary_large_image">');
  return lines.join('\n    ');
}

/** How many times longer than wide a picture is of which only a strip would be seen. */
const LONG = 2.5;
/** An icon, in pixels: round corners would take away a part of it. */
const SMALL = 100;

function shapeOf({ width, height }: ImageFacts): '' | ' wide' | ' tall' | ' small' {
  if (Math.max(width, height) < SMALL) return ' small';
  if (width > height * LONG && width > 600) return ' wide';
  return height > width * LONG && height > 600 ? ' tall' : '';
}

function factsOf({ type, width, height, bytes }: ImageFacts): string {
  const pixels = [width, height].map(groupDigits).join(' × ');
  return `${pixels} pixels, ${NAMES[type]}, ${sizeOf(bytes)}`;
}

const NAMES = { jpeg: 'JPEG', png: 'PNG', gif: 'GIF', webp: 'WebP', avif: 'AVIF' };

function sizeOf(bytes: number): string {
  if (bytes < 100_000) return `${Math.max(0.1, bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
