import { readFileSync } from 'node:fs';
import { COLOURS, shortenStyle } from '../../runtime/style-text.ts';

/** The look of every page, without what only people need who read it. */
export const LOOK = COLOURS + shortenStyle(readFileSync(new URL('./look.css', import.meta.url), 'utf8'));
