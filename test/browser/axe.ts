import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** The rules of WCAG 2.2 A and AA, and what axe calls good practice. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/*
 * axe's own driver for Playwright sends 1.5 MB of source into each page, twice, and has axe describe also
 * what is right. On our pages that took three quarters of the time. They have no frames, for which the
 * driver is made.
 */
const AXE = readFileSync(
  createRequire(import.meta.resolve('@axe-core/playwright')).resolve('axe-core/axe.min.js'),
  'utf8',
);
const RUN = `axe.run(document, {
  runOnly: ${JSON.stringify(RULES)},
  resultTypes: ['violations'],
  preload: false,
}).then(({ violations, passes }) => ({
  count: passes.length,
  found: violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, any }) => id + ': ' + help + ': ' + html.slice(0, 200) + ' ' + (any[0]?.message ?? ''))),
}))`;

interface Findings {
  /** Of rules that the page keeps. */
  readonly count: number;
  readonly found: string[];
}

/** @returns what axe finds wrong with a page, in sentences; @throws Error when axe has looked at nothing */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { count, found } = await page.evaluate<Findings>(RUN);
  if (count === 0) throw new Error('axe has found nothing to look at');
  return found;
}
