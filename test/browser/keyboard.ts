import { expect } from 'chai';
import type { Locator, Page } from 'playwright-core';
import { countTabbable, focusOf, type Focus } from './probes.ts';

/** More elements are on no page; a longer walk is in a trap. */
const MOST_TABS = 250;

/** Presses Tab until the element has the focus, and sees that the focus is shown there. */
export async function tabTo(page: Page, element: Locator): Promise<void> {
  await element.evaluate((keymillWanted) => void Object.assign(globalThis, { keymillWanted }));
  // As after a press of Tab: it may have the focus already, through autofocus.
  let focus = await focusOf(page);
  for (let tabs = 0; focus?.isWanted !== true; tabs += 1) {
    if (tabs > MOST_TABS) throw new Error(`Tab never reaches ${String(element)}`);
    await page.keyboard.press('Tab');
    focus = await focusOf(page);
  }
  expectShown(focus);
}

/** The next Tab goes to the first element, wherever the focus was. */
const TO_THE_TOP = `
  const { documentElement: all } = document;
  all.tabIndex = -1;
  all.focus();
  all.removeAttribute('tabindex');`;

/**
 * Goes by Tab through everything on the page, once.
 * @param limit of elements, for long lists
 * @throws AssertionError when one is not reached, is not seen, or comes out of order
 */
export async function walk(page: Page, limit = MOST_TABS): Promise<void> {
  const count = await countTabbable(page);
  await page.evaluate(TO_THE_TOP);
  const reached: Focus[] = [];
  for (let tabs = 0; tabs < limit && reached.length < count; tabs += 1) {
    await page.keyboard.press('Tab');
    const focus = await focusOf(page);
    if (focus === null) continue;
    if (focus.isAgain) break;
    expectShown(focus);
    expect(focus.tabIndex, `${focus.name}: tabindex`).to.equal(0);
    expect(focus.isInOrder, `${focus.name} comes after the one before it`).to.equal(true);
    reached.push(focus);
  }
  const names = reached.map(({ name }) => name).join(', ');
  expect(reached.length, `elements that Tab reaches: ${names}`).to.equal(Math.min(count, limit));
}

function expectShown({ name, isMarked, isSeen }: Focus): void {
  expect(isMarked, `${name} shows that it has the focus`).to.equal(true);
  expect(isSeen, `${name} is in sight while it has the focus`).to.equal(true);
}
