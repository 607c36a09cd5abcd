import { expect } from 'chai';
import type { Locator, Page } from 'playwright-core';
import { until } from '../until.ts';
import { countTabbable, focusOf, missingRings, tabsToWanted, type Focus } from './probes.ts';

/** More elements are on no page; a longer walk is in a trap. */
const MOST_TABS = 250;

/** Presses Tab until the element has the focus, and sees that the focus is shown there. */
export async function tabTo(page: Page, element: Locator): Promise<void> {
  await element.evaluate((keymillWanted) => void Object.assign(globalThis, { keymillWanted }));
  // None, when it has the focus already, through autofocus.
  for (let left = await tabsToWanted(page); left > 0; left -= 1) await page.keyboard.press('Tab');
  // Some fields have parts, through which Tab goes too.
  let focus = await focusOf(page);
  for (let tabs = 0; focus?.isWanted !== true; tabs += 1) {
    if (tabs > MOST_TABS) throw new Error(`Tab never reaches ${String(element)}`);
    await page.keyboard.press('Tab');
    focus = await focusOf(page);
  }
  await expectShown(page, focus);
}

/** The next Tab goes to the first element, wherever the focus was. */
const TO_THE_TOP = `
  const { documentElement: all } = document;
  all.tabIndex = -1;
  all.focus();
  all.removeAttribute('tabindex');`;

/** Whoever presses Tab must see at once where he is. */
const HOW_IT_SCROLLS = 'getComputedStyle(document.documentElement).scrollBehavior';

/**
 * Goes by Tab through everything on the page, once.
 * @param limit of elements, for long lists
 * @throws AssertionError when one is not reached, is not seen, or comes out of order
 */
export async function walk(page: Page, limit = MOST_TABS): Promise<void> {
  const count = await countTabbable(page);
  expect(await page.evaluate(HOW_IT_SCROLLS), 'how the page scrolls to the focus').to.equal('auto');
  await page.evaluate(TO_THE_TOP);
  const reached: Focus[] = [];
  for (let tabs = 0; tabs < MOST_TABS && reached.length < Math.min(count, limit); tabs += 1) {
    await page.keyboard.press('Tab');
    const focus = await focusOf(page);
    if (focus === null) continue;
    if (focus.isStill) continue;
    if (focus.isAgain) break;
    await expectShown(page, focus);
    expect(focus.tabIndex, `${focus.name}: tabindex`).to.equal(0);
    expect(focus.isInOrder, `${focus.name} comes after the one before it`).to.equal(true);
    reached.push(focus);
  }
  const names = reached.map(({ name }) => name).join(', ');
  expect(reached.length, `elements that Tab reaches: ${names}`).to.equal(Math.min(count, limit));
}

/**
 * Sees that every element of the page shows when it has the focus. It says nothing of the order: see
 * {@link walk}.
 */
export async function expectRings(page: Page): Promise<void> {
  await page.keyboard.press('Tab');
  const found = await missingRings(page);
  expect(
    found,
    `elements that do not show that they have the focus:\n  ${found.join('\n  ')}\n`,
  ).to.have.length(0);
}

/** The browser may scroll to it in a moment of its own. */
async function expectShown(page: Page, { name, isMarked, isSeen }: Focus): Promise<void> {
  expect(isMarked, `${name} shows that it has the focus`).to.equal(true);
  if (isSeen) return;
  await until(`${name} to be in sight while it has the focus`, async () => (await focusOf(page))?.isSeen);
}
