import { KeymillError } from '../../runtime/errors.ts';
import { parseJson } from '../../runtime/json.ts';
import { isImageFacts, type ImageFacts } from './image-facts.ts';

/**
 * Everything that a redirect must know about a link beyond its target and its expiry. A plain link has none.
 * A field that is off is absent. Fields that this program does not know are kept when a link is changed.
 * What is stored in `visits_left` is how many of `maxVisits` are left.
 */
export interface LinkRules {
  /** The owner has switched the link off. */
  readonly disabled?: true;
  /** An administrator has switched the link off, for this reason. */
  readonly blocked?: string;
  /** Absent: 302. */
  readonly redirectType?: 301 | 307 | 308;
  /** Before this time there is no link. RFC 3339, UTC, with milliseconds. */
  readonly validFrom?: string;
  /** The query of the request is put behind that of the target. */
  readonly forwardQuery?: true;
  /** Other targets for some visitors. The first that fits wins. */
  readonly targets?: readonly RuledTarget[];
  /** Where an expired link leads. */
  readonly expiredUrl?: string;
  /** As the process of passwords hashes it. */
  readonly passwordHash?: string;
  /** How many redirects there are in all. */
  readonly maxVisits?: number;
  /** By how many visits a lower `maxVisits` came too late. */
  readonly overdrawn?: number;
  /** Redirects tell search engines not to index the target. */
  readonly noindex?: true;
  /** The link shows a picture, and leads nowhere else. */
  readonly image?: ImageFacts;
  readonly [unknownField: string]: unknown;
}

/** A target for the visitors who fit each list that is named. */
export interface RuledTarget {
  readonly when: {
    readonly device?: readonly Device[];
    /** ISO 3166-1, two capital letters. */
    readonly country?: readonly string[];
    /** BCP 47. */
    readonly language?: readonly string[];
  };
  readonly longUrl: string;
}

export const DEVICES = ['ios', 'android', 'windows', 'macos', 'linux', 'chromeos'] as const;

export type Device = (typeof DEVICES)[number];

const isTrue = (value: unknown): boolean => value === true;
const isText = (value: unknown): boolean => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const isTime = (value: unknown): boolean => typeof value === 'string' && !Number.isNaN(Date.parse(value));

/**
 * The fields that this program obeys, and which of their values. A field is added here together with what
 * obeys it, never before.
 */
const OBEYED: Readonly<Record<string, (value: unknown) => boolean>> = {
  disabled: isTrue,
  blocked: isText,
  redirectType: (value) => [301, 302, 307, 308].some((type) => type === value),
  validFrom: isTime,
  forwardQuery: isTrue,
  targets: (value) => Array.isArray(value) && value.every(isTarget),
  expiredUrl: isText,
  noindex: isTrue,
  overdrawn: isCount,
  passwordHash: isText,
  maxVisits: isCount,
  image: isImageFacts,
};

/** The questions by which a target is chosen that this program can answer, and which lists it knows. */
const ASKED: Readonly<Record<string, (value: unknown) => boolean>> = {
  device: (value) =>
    Array.isArray(value) && value.every((device) => DEVICES.some((known) => known === device)),
  country: isTexts,
  language: isTexts,
};

function isTarget(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { when, longUrl, ...more } = value as Partial<RuledTarget>;
  return isText(longUrl) && Object.keys(more).length === 0 && areKnown(when, ASKED);
}

function areKnown(value: unknown, known: typeof OBEYED): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every((entry) => isKnown(entry, known));
}

/** A field may have the name of something that every object has: `constructor`. */
function isKnown([field, content]: [string, unknown], known: typeof OBEYED): boolean {
  return Object.hasOwn(known, field) && known[field]?.(content) === true;
}

/**
 * The rules of a link as they are stored. A text that is no rules becomes a rule that nobody knows: the link
 * is not followed, and does not become a plain link when its owner changes it.
 */
export function parseRules(text: string): LinkRules {
  const value = parseJson(text);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? { ...value } : { unreadable: text };
}

/** As it is stored; null for a plain link. */
export function formatRules(rules: LinkRules): string | null {
  const text = JSON.stringify(rules);
  return text === '{}' ? null : text;
}

/**
 * Whether this program knows all rules of a link. A newer one may have written others: then the link must not
 * be followed.
 */
export function isEveryRuleKnown(rules: LinkRules): boolean {
  return areKnown(rules, OBEYED);
}

/**
 * Those of the rules that this program knows, each with a value that it can read. What it shows of a link,
 * and reckons with, must not fail because of the others.
 */
export function knownRules(rules: LinkRules): LinkRules {
  return Object.fromEntries(Object.entries(rules).filter((entry) => isKnown(entry, OBEYED)));
}

/** Every address to which a link with these rules may lead, besides its target. */
export function urlsOf({ targets = [], expiredUrl }: LinkRules): string[] {
  const urls = targets.map(({ longUrl }) => longUrl);
  return expiredUrl === undefined ? urls : [...urls, expiredUrl];
}

/**
 * A link has rules that this program does not know, or is no link to a target at all: a newer program wrote
 * it. It is not followed, and nothing about it is remembered. Another mapper may know it.
 */
export class UnknownRulesError extends KeymillError {
  constructor(key: string) {
    super('UNKNOWN_RULES', `link ${key} has rules that this program does not know`);
  }
}
