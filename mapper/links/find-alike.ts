import { isDeepStrictEqual } from 'node:util';
import type { MadeLink } from '../../db/own-links/find-alike.ts';
import { compareListed, hasSameTags, type LinkState } from '../../db/own-links/own-link.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { formatRules, parseRules, type LinkRules } from '../../db/urls/link-rules.ts';
import { addTags } from './list-links.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/** The fields of a link that its owner asks for. */
export interface AskedLink extends LinkState {
  readonly userId: bigint;
  /** The key that he chose. Undefined: any will do. */
  readonly alias: string | undefined;
}

/**
 * How many links to one target are looked at on each server, the newest first. With more, a link is perhaps
 * not found, and the next one is.
 */
const MAX_LOOKED_AT = 200;

/**
 * Finds the newest link of an owner that is followed and has exactly the fields that he asks for.
 * @throws StoreUnavailableError naming a server that does not answer: it may have the link
 */
export async function findAlike(
  servers: readonly OwnLinksServer[],
  asked: AskedLink,
): Promise<MadeLink | undefined> {
  const candidates = (await linksToTarget(servers, asked)).filter((link) => isAlikeBesideTags(link, asked));
  const tagged = await addTags(servers, candidates);
  return tagged.filter((link) => hasSameTags(link, asked)).sort(compareListed)[0];
}

/**
 * The links of an owner to one target that are followed, without their tags.
 * @throws StoreUnavailableError naming a server that does not answer
 */
export async function linksToTarget(
  servers: readonly OwnLinksServer[],
  { userId, longUrl }: { readonly userId: bigint; readonly longUrl: string },
): Promise<MadeLink[]> {
  const found = await Promise.all(
    servers.map(async ({ db, isUp }) => {
      if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
      const links = await db.linksTo({ userId, longUrl, count: MAX_LOOKED_AT });
      // A slot that has moved away may have left rows behind.
      return links.filter(({ slot }) => db.slots.includes(slot));
    }),
  );
  return found.flat();
}

/** Whether a link has the fields that are asked for, its tags left out. Pure. */
export function isAlikeBesideTags(link: MadeLink, asked: AskedLink): boolean {
  return (
    link.longUrl === asked.longUrl &&
    link.expiresAt?.getTime() === asked.expiresAt?.getTime() &&
    link.title === asked.title &&
    (asked.alias === undefined || asked.alias === link.key) &&
    isDeepStrictEqual(link.rules, asStored(asked.rules))
  );
}

/** Without what JSON leaves out. */
function asStored(rules: LinkRules): LinkRules {
  return parseRules(formatRules(rules) ?? '{}');
}
