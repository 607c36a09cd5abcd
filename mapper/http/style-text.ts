import { readFileSync } from 'node:fs';

/** The look of every page, without what only people need who read it. */
export const LOOK = shortenStyle(readFileSync(new URL('./look.css', import.meta.url), 'utf8'));

/** A style sheet without comments, line breaks and blanks that mean nothing. It has no text in quotes. */
export function shortenStyle(css: string): string {
  return css
    .replaceAll(/\/\*[^]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ ?([{};,>]) ?/g, '$1')
    .replaceAll(': ', ':')
    .replaceAll(';}', '}')
    .trim();
}
