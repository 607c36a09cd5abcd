import type { OwnLink } from '../../db/own-links/own-link.ts';
import { knownRules } from '../../db/urls/link-rules.ts';
import type { FrontCaches } from './front-caches.ts';

/** Whether nobody is shown an image any more, or not yet. Pure. @param nowMs the wall clock */
export function isHidden({ deletedAt, expiresAt, rules }: OwnLink, nowMs: number): boolean {
  const { disabled, blocked, validFrom } = rules;
  return (
    deletedAt !== null ||
    disabled === true ||
    blocked !== undefined ||
    (expiresAt !== null && expiresAt.getTime() <= nowMs) ||
    (validFrom !== undefined && Date.parse(validFrom) > nowMs)
  );
}

/**
 * After a change of any link: an image that is hidden now leaves the caches in front of us, as a deleted one
 * does. Nothing happens at the moment at which an image expires, so then `max-age` decides.
 */
export function refreshIfHidden(link: OwnLink, frontCaches: Pick<FrontCaches, 'refresh'>): void {
  const { image } = knownRules(link.rules);
  if (image !== undefined && isHidden(link, Date.now())) frontCaches.refresh(link.key, image.type);
}
