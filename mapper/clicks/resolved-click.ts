import type { Dimension } from '../../db/clicks/dimensions.ts';

/** By what a single click is told apart. Which of their links is followed only concerns owners. */
export type ClickDimension = Exclude<Dimension, 'link'>;

/**
 * One click of which its headers are known. A dimension that is not known is ''. All of them are for a visitor
 * who does not want to be tracked (`DNT`, `Sec-GPC`), where dimensions are not counted, and when there were
 * more clicks than can be looked at.
 */
export interface ResolvedClick extends Readonly<Record<ClickDimension, string>> {
  readonly key: string;
  /** Unix time in ms. */
  readonly atMs: number;
  readonly isBot: boolean;
}

/** Hears of single clicks, a moment after the redirects. For all others there are only counts. */
export interface ClickListener {
  /** The links whose clicks it wants. May change at any time. */
  readonly wanted: ReadonlySet<string>;
  /** Clicks of wanted links, oldest first. Must be quick, and must not throw. */
  onClicks(clicks: readonly ResolvedClick[]): void;
}
