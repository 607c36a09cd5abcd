import { DIMENSIONS, type Dimension } from '../../db/clicks/dimensions.ts';
import type { RawClick } from './click-ring.ts';

/** By what a single click is told apart. Which of their links is followed only concerns owners. */
export type ClickDimension = Exclude<Dimension, 'link'>;

export const CLICK_DIMENSIONS = (Object.keys(DIMENSIONS) as Dimension[]).filter(
  (dimension): dimension is ClickDimension => dimension !== 'link',
);

/**
 * A value with the number of its dimension in front, such as `2DE`. So one table of a link has the values of
 * all dimensions. It may be a view of the whole text of its request, so only a copy of it may be stored.
 */
export type Label = string;

/** @param value ASCII, at most 255 characters */
export function labelOf(dimension: ClickDimension, value: string): Label {
  return `${DIMENSIONS[dimension]}${value}`;
}

/** Whether it says anything: what nothing is known of is not counted, because it is all that is left. */
export function isKnown(label: Label): boolean {
  return label.length > 1;
}

export function readLabel(label: Label): { dimension: ClickDimension; value: string } {
  return { dimension: CLICK_DIMENSIONS[label.charCodeAt(0) - ONE] as ClickDimension, value: label.slice(1) };
}

const ONE = '1'.charCodeAt(0);

/** What the headers of a click say. */
export interface Resolved {
  readonly isBot: boolean;
  /** One of each dimension. Empty: the visitor does not want to be tracked (`DNT`, `Sec-GPC`). */
  readonly labels: readonly Label[];
  /** 64 bits of a hash of the visitor, as two numbers. Undefined: he is not counted, or is not known. */
  readonly visitor: { readonly high: number; readonly low: number } | undefined;
}

/** Reads the headers of a click. Never throws. */
export type ResolveClick = (click: RawClick) => Resolved;

/**
 * One click of which its headers are known. A dimension that is not known is ''. All of them are for a
 * visitor who does not want to be tracked (`DNT`, `Sec-GPC`), where dimensions are not counted, and when
 * there were more clicks than can be looked at.
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

/** For those who hear of single clicks. */
export function toResolvedClick(
  { key, atMs }: Pick<RawClick, 'key' | 'atMs'>,
  { isBot, labels }: Resolved,
): ResolvedClick {
  const click = {
    key,
    atMs,
    isBot,
    referrer: '',
    country: '',
    language: '',
    browser: '',
    os: '',
    device: '',
  };
  for (const label of labels) {
    const { dimension, value } = readLabel(label);
    click[dimension] = value;
  }
  return click;
}

/** Of a click whose headers nobody has looked at: it counts as that of a person. */
export const UNRESOLVED: Resolved = { isBot: false, labels: [], visitor: undefined };
