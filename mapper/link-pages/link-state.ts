import type { WholeLink } from '../shorten/whole-link.ts';

/** What a link is like just now, for people. */
export interface LinkState {
  readonly name: 'active' | 'not yet' | 'expired' | 'used up' | 'switched off' | 'blocked' | 'deleted';
  /** What that means; undefined: it can be followed. */
  readonly sentence: string | undefined;
}

/** The strongest of all reasons why a link cannot be followed. Pure. */
export function stateOf(link: WholeLink, nowMs: number): LinkState {
  const isPast = (time: string | null): boolean => time !== null && Date.parse(time) <= nowMs;
  if (link.deleted_at !== null)
    return { name: 'deleted', sentence: 'This link is deleted. It can be restored for 30 days.' };
  if (link.blocked !== null)
    return { name: 'blocked', sentence: `An administrator has blocked this link: ${link.blocked}` };
  if (link.disabled)
    return { name: 'switched off', sentence: 'This link is switched off: nobody can follow it.' };
  if (isPast(link.expiration_date))
    return {
      name: 'expired',
      sentence:
        link.expired_url === null
          ? 'This link has expired: nobody can follow it.'
          : 'This link has expired: it leads to its other target.',
    };
  if (link.visits_left === 0)
    return { name: 'used up', sentence: 'This link was followed as often as it may be.' };
  if (link.valid_from !== null && !isPast(link.valid_from))
    return { name: 'not yet', sentence: 'This link is not valid yet.' };
  return { name: 'active', sentence: undefined };
}
