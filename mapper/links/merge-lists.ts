import { StoreUnavailableError } from '../../db/store-errors.ts';
import { compareListed, type ListPosition, type OwnLink } from '../../db/own-links/own-link.ts';
import { SLOT_COUNT } from '../../runtime/config/slots.ts';

/** What one server found of a list. */
export interface ServerList {
  readonly server: string;
  readonly slots: readonly number[];
  /** In the order of the list. */
  readonly links: readonly OwnLink[];
  /** How far the server has looked. Undefined: to the end. */
  readonly lookedTo: ListPosition | undefined;
}

export interface MergedList {
  readonly links: readonly OwnLink[];
  /** Where the next page begins. Undefined: there is none. */
  readonly next: ListPosition | undefined;
}

/**
 * Merges the lists of all servers into one page of at most `limit` links. Pure.
 *
 * A server that has not looked to the end may have more links behind the place to which it looked. So the
 * page ends at the first of these places, and the next one begins there.
 */
export function mergeLists(lists: readonly ServerList[], limit: number): MergedList {
  let end: ListPosition | undefined;
  for (const { lookedTo } of lists) {
    if (lookedTo !== undefined && (end === undefined || compareListed(lookedTo, end) < 0)) end = lookedTo;
  }
  const known = lists
    .flatMap(({ links }) => links)
    .filter((link) => end === undefined || compareListed(link, end) <= 0)
    .sort(compareListed);
  const links = known.slice(0, limit);
  return { links, next: known.length > limit ? links.at(-1) : end };
}

/**
 * Requires that the answers cover each slot exactly once. While one is missing the page would be a shorter
 * list, and while one is there twice it could name links that its server no longer has.
 * @throws StoreUnavailableError naming the slot and the servers
 */
export function requireAllSlots(
  lists: readonly { readonly server: string; readonly slots: readonly number[] }[],
): void {
  for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
    const owners = lists.filter(({ slots }) => slots.includes(slot)).map(({ server }) => server);
    if (owners.length === 1) continue;
    const reason =
      owners.length === 0
        ? 'no urls server records that it has it'
        : `${owners.join(' and ')} both record that they have it`;
    throw new StoreUnavailableError(`slot ${slot}`, reason);
  }
}
