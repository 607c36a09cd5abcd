import { DIMENSIONS, NO_VALUE, type Dimension } from '../../db/clicks/dimensions.ts';
import type { RawClick } from './click-ring.ts';

/** By what a single click is told apart. Which of their links is followed only concerns owners. */
export type ClickDimension = Exclude<Dimension, 'link'>;

export const CLICK_DIMENSIONS = (Object.keys(DIMENSIONS) as Dimension[]).filter(
  (dimension): dimension is ClickDimension => dimension !== 'link',
);

/** A value of a dimension. The same one may have several labels. */
export interface Label {
  readonly dimension: ClickDimension;
  /** ASCII, at most 255 characters. */
  readonly value: string;
  /** 32 bits, by which a table finds it. A table of texts would have V8 keep each text that it looks for. */
  readonly hash: number;
  /** Whether the value is a view of the whole text of its request, so that only a copy may be stored. */
  readonly isView: boolean;
}

/** @param value ASCII, at most 255 characters, and no view of another text */
export function labelOf(dimension: ClickDimension, value: string): Label {
  return { dimension, value, hash: labelHash(dimension, value, 0, value.length), isView: false };
}

/** The hash of a label whose value stands in `text` between these places. */
export function labelHash(dimension: ClickDimension, text: string, from: number, to: number): number {
  let hash: number = DIMENSIONS[dimension];
  for (let i = from; i < to; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), ODD);
  return hash;
}

/** 2^32 divided by the golden ratio: it spreads what is multiplied by it. */
const ODD = 0x9e3779b1;

/** The same value mostly has the same label, which is not looked into. */
export function isSame(one: Label, other: Label): boolean {
  return (
    one === other ||
    (one.hash === other.hash && one.dimension === other.dimension && one.value === other.value)
  );
}

/** Whether it says anything: what nothing is known of is not counted, because it is all that is left. */
export function isKnown({ value }: Label): boolean {
  return value !== NO_VALUE;
}

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
  for (const { dimension, value } of labels) click[dimension] = value;
  return click;
}

/** Of a click whose headers nobody has looked at: it counts as that of a person. */
export const UNRESOLVED: Resolved = { isBot: false, labels: [], visitor: undefined };
