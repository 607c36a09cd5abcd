import type { MadeLink } from '../../db/own-links/find-alike.ts';
import { compareListed } from '../../db/own-links/own-link.ts';
import { linksToTarget } from './find-alike.ts';
import type { OwnLinksServer } from './own-links-server.ts';

/** An image that its owner asks for. */
export interface AskedImage {
  readonly userId: bigint;
  /** What stands in the place of its target. */
  readonly longUrl: string;
  readonly expiresAt: Date | null;
}

/**
 * Finds the newest image of an owner that shows these bytes now, and expires when he wants it to. Its title
 * and its tags do not matter.
 * @throws StoreUnavailableError naming a server that does not answer: it may have the image
 */
export async function findImage(
  servers: readonly OwnLinksServer[],
  { expiresAt, ...asked }: AskedImage,
): Promise<MadeLink | undefined> {
  const links = await linksToTarget(servers, asked);
  return links
    .filter(({ rules }) => rules.image !== undefined && rules.validFrom === undefined)
    .filter((link) => link.expiresAt?.getTime() === expiresAt?.getTime())
    .sort(compareListed)[0];
}
