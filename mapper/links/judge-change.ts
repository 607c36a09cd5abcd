import { hasSameTags, type LinkState, type OwnLink } from '../../db/own-links/own-link.ts';
import { changeRules, isNeverValid, type RuleChange } from '../../db/own-links/rule-change.ts';
import type { LinkRules } from '../../db/urls/link-rules.ts';

/**
 * A change that is asked for. A field that is absent stays as it is; null clears it. Only an administrator
 * may ask for `blocked`.
 */
export interface LinkPatch extends RuleChange {
  readonly longUrl?: string;
  readonly expiresAt?: Date | null;
  readonly title?: string | null;
  /** Without duplicates. */
  readonly tags?: readonly string[] | null;
}

export type Actor = 'owner' | 'admin';

/** What a patch means for a link. */
export type ChangeVerdict =
  | { readonly verdict: 'edit'; readonly state: LinkState }
  /** The link is as the patch wants it already. */
  | { readonly verdict: 'unchanged' }
  | { readonly verdict: 'deleted' }
  /** An administrator has blocked the link, and its owner cannot change it. */
  | { readonly verdict: 'blocked'; readonly reason: string }
  /** Tags belong to an owner's list, and this link has no owner. */
  | { readonly verdict: 'ownerless' }
  /** @param fields what no image has, as requests call them */
  | { readonly verdict: 'not-for-images'; readonly fields: readonly string[] }
  /** It would expire before it is valid. */
  | { readonly verdict: 'never-valid'; readonly by: 'validFrom' | 'expiresAt' };

/** Applies a merge patch (RFC 7396) to a link whose fields were checked before. Pure. */
export function judgeChange(link: OwnLink, patch: LinkPatch, actor: Actor): ChangeVerdict {
  // An owner may restore a deleted link, so an administrator may block it before.
  if (link.deletedAt !== null && !isOnlyBlock(patch, actor)) return { verdict: 'deleted' };
  const { blocked } = link.rules;
  if (actor === 'owner' && blocked !== undefined) return { verdict: 'blocked', reason: blocked };
  const tags = patch.tags === undefined ? link.tags : [...new Set(patch.tags)].sort();
  if (link.userId === null && tags.length > 0) return { verdict: 'ownerless' };
  const unfit = unfitForImage(link, patch);
  if (unfit.length > 0) return { verdict: 'not-for-images', fields: unfit };
  const state: LinkState = {
    longUrl: patch.longUrl ?? link.longUrl,
    expiresAt: patch.expiresAt === undefined ? link.expiresAt : patch.expiresAt,
    title: patch.title === undefined ? link.title : patch.title,
    tags,
    rules: changeRules(link.rules, patch),
  };
  if (isNeverValid(state)) {
    // A link that is like this already can still be given a title.
    if (patch.validFrom !== undefined) return { verdict: 'never-valid', by: 'validFrom' };
    if (patch.expiresAt !== undefined) return { verdict: 'never-valid', by: 'expiresAt' };
  }
  return isSame(link, state) ? { verdict: 'unchanged' } : { verdict: 'edit', state };
}

/** What says where a link leads, and who may follow it. An image leads nowhere, and is for everybody. */
const NOT_FOR_IMAGES = {
  longUrl: 'long_url',
  redirectType: 'redirect_type',
  forwardQuery: 'forward_query',
  maxVisits: 'max_visits',
  passwordHash: 'password',
  expiredUrl: 'expired_url',
  targets: 'targets',
} as const satisfies Partial<Record<keyof LinkPatch, string>>;

/** A field that is null, which no image has anyway, does no harm. */
function unfitForImage({ rules }: OwnLink, patch: LinkPatch): string[] {
  if (rules.image === undefined) return [];
  const fields = Object.entries(NOT_FOR_IMAGES) as [keyof typeof NOT_FOR_IMAGES, string][];
  return fields.flatMap(([field, name]) =>
    patch[field] === undefined || patch[field] === null ? [] : [name],
  );
}

function isOnlyBlock(patch: LinkPatch, actor: Actor): boolean {
  return actor === 'admin' && Object.keys(patch).join() === 'blocked';
}

function isSame(link: OwnLink, state: LinkState): boolean {
  return (
    link.longUrl === state.longUrl &&
    link.expiresAt?.getTime() === state.expiresAt?.getTime() &&
    link.title === state.title &&
    hasSameTags(link, state) &&
    JSON.stringify(sorted(link.rules)) === JSON.stringify(sorted(state.rules))
  );
}

function sorted(rules: LinkRules): [string, unknown][] {
  return Object.entries(rules).sort(([a], [b]) => (a < b ? -1 : 1));
}
