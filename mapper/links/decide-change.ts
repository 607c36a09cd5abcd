import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { Caller } from './access.ts';
import type { Decision } from './change-one.ts';
import { etagOf, isNamedBy } from './etag.ts';
import { judgeChange, type ChangeVerdict, type LinkPatch } from './judge-change.ts';

/** Why a link is not changed. */
export type Refusal =
  /** There is no such link, or it is another's. The caller must not learn which. */
  | { readonly why: 'unknown' }
  /** `If-Match` names another state. */
  | { readonly why: 'stale'; readonly etag: string }
  | { readonly why: 'unchanged'; readonly link: OwnLink }
  | { readonly why: 'deleted'; readonly link: OwnLink }
  | { readonly why: 'blocked'; readonly reason: string }
  | { readonly why: 'ownerless' }
  /** The link is an image, and these fields are not for images. */
  | { readonly why: 'not-for-images'; readonly fields: readonly string[] }
  | { readonly why: 'never-valid'; readonly by: 'validFrom' | 'expiresAt' };

/** What a request means for a link that its sender may change. */
export type Decide = (link: OwnLink) => Decision<Refusal>;

/** @param ifMatch the header: another state is refused */
export function matching(ifMatch: string | undefined, decide: Decide): Decide {
  if (ifMatch === undefined) return decide;
  return (link) => {
    const etag = etagOf(link);
    return isNamedBy(ifMatch, etag, false) ? decide(link) : { refusal: { why: 'stale', etag } };
  };
}

export function patched(patch: LinkPatch, { isAdmin }: Caller): Decide {
  return (link) => {
    const judged = judgeChange(link, patch, isAdmin ? 'admin' : 'owner');
    if (judged.verdict === 'edit') return { change: { kind: 'edit', state: judged.state } };
    return { refusal: toRefusal(judged, link) };
  };
}

export const removed: Decide = (link) =>
  link.deletedAt === null ? { change: { kind: 'delete' } } : { refusal: { why: 'unchanged', link } };

export const restored: Decide = (link) =>
  link.deletedAt === null ? { refusal: { why: 'unchanged', link } } : { change: { kind: 'restore' } };

function toRefusal(judged: Exclude<ChangeVerdict, { verdict: 'edit' }>, link: OwnLink): Refusal {
  if (judged.verdict === 'blocked') return { why: 'blocked', reason: judged.reason };
  if (judged.verdict === 'ownerless') return { why: 'ownerless' };
  if (judged.verdict === 'not-for-images') return { why: 'not-for-images', fields: judged.fields };
  if (judged.verdict === 'never-valid') return { why: 'never-valid', by: judged.by };
  return { why: judged.verdict, link };
}
