import { readFileSync } from 'node:fs';

/** The colours of all pages, as custom properties: for people and for operators. */
export const COLOURS = shortenStyle(readFileSync(new URL('./colours.css', import.meta.url), 'utf8'));

/** A style sheet without comments, line breaks and blanks that mean nothing. No text in it may have them. */
export function shortenStyle(css: string): string {
  return css
    .replaceAll(/\/\*[^]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ?([{};,>]) ?/g, '$1')
    .replaceAll(': ', ':')
    .replaceAll(';}', '}')
    .trim();
}
