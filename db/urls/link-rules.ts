import { parseJson } from '../../runtime/json.ts';

/**
 * Everything that a redirect must know about a link beyond its target and its expiry. A plain link has none.
 * A field that is off is absent. Fields that this program does not know are kept when a link is changed.
 */
export interface LinkRules {
  /** The owner has switched the link off. */
  readonly disabled?: true;
  /** An administrator has switched the link off, for this reason. */
  readonly blocked?: string;
  readonly [unknownField: string]: unknown;
}

const KNOWN_FIELDS: ReadonlySet<string> = new Set(['disabled', 'blocked']);

/** Undefined when the text is no JSON object. */
export function parseRules(text: string): LinkRules | undefined {
  const value = parseJson(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
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
  return Object.keys(rules).every((field) => KNOWN_FIELDS.has(field));
}
