import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

/*
 * What tests ask of a page runs in the page. It is JavaScript in files of its own, because only a browser
 * knows its names. It runs also in a page whose scripts are switched off.
 */

const read = (name: string): string => readFileSync(new URL(`probes/${name}.js`, import.meta.url), 'utf8');
const LAYOUT = read('layout');
const FOCUS = read('focus');
const TABBABLE = read('tabbable');
const TABS_TO_WANTED = read('tabs-to-wanted');
const RINGS = read('rings');
const MOTIONS = read('motions');
const TEXT_SIZES = read('text-sizes');

/** Where the focus is after a press of Tab. */
export interface Focus {
  /** For messages. */
  readonly name: string;
  /** It was there before, since {@link countTabbable}. */
  readonly isAgain: boolean;
  /** It has not moved on: a field for a date has parts, and Tab goes through them. */
  readonly isStill: boolean;
  /** It is the element that is looked for. */
  readonly isWanted: boolean;
  /** It has a ring, so one sees that the focus is there. */
  readonly isMarked: boolean;
  /** It is in the window, and nothing lies over it. */
  readonly isSeen: boolean;
  /** It stands behind the one before in the document. */
  readonly isInOrder: boolean;
  readonly tabIndex: number;
}

/** What is wrong with the layout, in sentences: wider than the window, cut off, one control over another. */
export async function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(LAYOUT);
}

/** Null: the focus is on nothing. */
export async function focusOf(page: Page): Promise<Focus | null> {
  return page.evaluate<Focus | null>(FOCUS);
}

/** How many elements Tab must reach. A walk begins. */
export async function countTabbable(page: Page): Promise<number> {
  return page.evaluate<number>(TABBABLE);
}

/** How many presses of Tab lead to the wanted element, at the least. */
export async function tabsToWanted(page: Page): Promise<number> {
  return page.evaluate<number>(TABS_TO_WANTED);
}

/** Focuses every element, after a press of Tab. @returns those that do not show it, in sentences */
export async function missingRings(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(RINGS);
}

/** What moves or takes time to change, in sentences. */
export async function motions(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(MOTIONS);
}

/** Called before and after letters become larger. @returns what has not grown, in sentences */
export async function smallTexts(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(TEXT_SIZES);
}
