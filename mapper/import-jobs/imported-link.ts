import type { ImportedRow } from '../../db/imports/imported-rows.ts';
import type { LinkState, OwnLink } from '../../db/own-links/own-link.ts';
import { changeRules, type RuleChange } from '../../db/own-links/rule-change.ts';
import type { ImportedLink } from '../import/outcome.ts';

/** What a link gets that its file does not say. */
export interface Given {
  readonly key: string;
  readonly slot: number;
  readonly requestId: string;
  /** null: nobody. Such a link has no tags. */
  readonly ownerId: bigint | null;
  /** The time of its creation, if the file names none. */
  readonly begunAt: Date;
}

/** The row of a link that is in no store yet. */
export function toImportedRow(link: ImportedLink, given: Given): ImportedRow {
  const { key, slot, requestId, ownerId: userId, begunAt } = given;
  return {
    key,
    slot,
    requestId,
    userId,
    longUrl: link.long_url,
    createdAt: link.created_at === null ? begunAt : new Date(link.created_at),
    expiresAt: toDate(link.expiration_date),
    alias: link.code !== null,
    title: link.title,
    tags: userId === null ? [] : link.tags,
    rules: changeRules({}, toRuleChange(link)),
    ...(link.visits_left !== null && { visitsLeft: Math.min(link.visits_left, maxVisitsOf(link) ?? 0) }),
    visits: link.clicks,
  };
}

/**
 * What a stored link becomes when an import overwrites it: all that its owner may change. Its password stays,
 * because files contain none, and without it everybody could follow the link.
 */
export function toOverwritten(stored: OwnLink, link: ImportedLink): LinkState {
  return {
    longUrl: link.long_url,
    expiresAt: toDate(link.expiration_date),
    title: link.title,
    tags: link.tags,
    rules: changeRules(stored.rules, toRuleChange(link)),
  };
}

/** Of a file that says only how many visits are left, these are all; with none left, there was one. */
function maxVisitsOf({ max_visits: max, visits_left: left }: ImportedLink): number | null {
  return max ?? (left === null ? null : Math.max(left, 1));
}

function toRuleChange(link: ImportedLink): RuleChange {
  return {
    disabled: link.disabled,
    redirectType: link.redirect_type as 301 | 302 | 307 | 308,
    validFrom: toDate(link.valid_from),
    forwardQuery: link.forward_query,
    targets: link.targets.map(({ when, long_url: longUrl }) => ({ when, longUrl })),
    expiredUrl: link.expired_url,
    maxVisits: maxVisitsOf(link),
    noindex: link.noindex,
  };
}

function toDate(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
