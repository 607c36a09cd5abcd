import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { ScanPosition, ScanQuestion } from '../../db/own-links/scan-links.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { SLOT_COUNT } from '../../runtime/config/slots.ts';
import { addTags, serverOf } from './list-links.ts';
import type { OwnLinksServer } from './own-links-server.ts';

export interface ScanRequest {
  readonly question: ScanQuestion;
  /** Where the page begins. Undefined: at the first slot. */
  readonly after: ScanPosition | undefined;
  readonly limit: number;
  /** Which slot a key belongs to. */
  readonly slotOf: (key: string) => number;
}

/** When a page ends with the links that it has, because few links match. */
const LOOK_MS = 200;
const PIECE_TIMEOUT_MS = 1_000;
/** Rows in one statement, some 10 ms of work for the server. */
const PIECE_ROWS = 5_000;

/**
 * Reads one page of the links of everybody, one slot after another.
 * @param now monotonic milliseconds
 * @returns the place where the next page begins; undefined: there is none
 * @throws StoreUnavailableError naming the server that does not answer, or the slot that its server does not
 *   record as its own. A page is complete or it is an error.
 */
export async function scanPage(
  servers: readonly OwnLinksServer[],
  { question, after, limit, slotOf }: ScanRequest,
  now: () => number,
): Promise<{ readonly links: readonly OwnLink[]; readonly next: ScanPosition | undefined }> {
  const untilMs = now() + LOOK_MS;
  const isOne = question.key !== undefined;
  let at = isOne ? { slot: slotOf(question.key), key: '' } : (after ?? { slot: 0, key: '' });
  const links: OwnLink[] = [];
  // Also for a server that only a later page will ask: then nobody reads many pages in vain.
  const asked = isOne ? [serverOf(servers, at.slot)] : servers;
  for (const { db, isUp } of asked) if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
  do {
    const { db } = serverOf(servers, at.slot);
    const piece = await db.scan(question, {
      after: at,
      count: PIECE_ROWS,
      limit: limit - links.length,
      timeoutMs: PIECE_TIMEOUT_MS,
    });
    if (!piece.isOwned)
      throw new StoreUnavailableError(`slot ${at.slot}`, `${db.name} does not record that it has it`);
    links.push(...piece.links);
    const isDone = piece.lookedTo === undefined;
    if (isDone && (isOne || at.slot === SLOT_COUNT - 1))
      return { links: await addTags(servers, links), next: undefined };
    at = isDone ? { slot: at.slot + 1, key: '' } : { slot: at.slot, key: piece.lookedTo };
  } while (links.length < limit && now() < untilMs);
  return { links: await addTags(servers, links), next: at };
}
