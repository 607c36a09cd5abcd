import type { OwnLink } from '../../db/own-links/own-link.ts';
import { knownRules, type LinkRules } from '../../db/urls/link-rules.ts';
import type { FrontCaches } from './front-caches.ts';

/** Whether nobody is shown an image any more, or not yet. Pure. @param nowMs the wall clock */
export function isHidden(
  { deletedAt, expiresAt, rules }: Pick<OwnLink, 'deletedAt' | 'expiresAt' | 'rules'>,
  nowMs: number,
): boolean {
  const { disabled, blocked, validFrom } = rules;
  return (
    deletedAt !== null ||
    disabled === true ||
    blocked !== undefined ||
    (expiresAt !== null && expiresAt.getTime() <= nowMs) ||
    (validFrom !== undefined && Date.parse(validFrom) > nowMs)
  );
}

/** A link as a mapper has it in memory. */
interface RememberedLink {
  /** Undefined: it is deleted. */
  readonly longUrl: string | undefined;
  readonly expiresAtMs: number | undefined;
  readonly rules?: LinkRules;
}

/** Whether people are shown the image of a link now. Pure. @param nowMs the wall clock */
export function isShown(entry: 'unknown' | RememberedLink, nowMs: number): boolean {
  if (entry === 'unknown' || entry.longUrl === undefined) return false;
  const { expiresAtMs, rules = {} } = entry;
  const expiresAt = expiresAtMs === undefined ? null : new Date(expiresAtMs);
  return !isHidden({ deletedAt: null, expiresAt, rules }, nowMs);
}

/**
 * After a change of any link: an image that is hidden now leaves the caches in front of us, as a deleted one
 * does. Nothing happens at the moment at which an image expires, so then `max-age` decides.
 */
export function refreshIfHidden(link: OwnLink, frontCaches: Pick<FrontCaches, 'refresh'>): void {
  const { image } = knownRules(link.rules);
  if (image !== undefined && isHidden(link, Date.now())) frontCaches.refresh(link.key, image.type);
}
