import type { ImportedRow } from '../../db/imports/imported-rows.ts';
import type { LinkChange } from '../../db/own-links/own-link.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { TakenLink } from '../import/outcome.ts';
import { toOverwritten } from './imported-link.ts';
import type { Exception } from './stored-outcome.ts';

/** The owner may change the link meanwhile, but not without end. */
const MAX_ATTEMPTS = 10;

/**
 * Gives the owner's link with this code what the file says. Another's link, and one of nobody, stay as they
 * are, and nobody learns which of them it is.
 *
 * The id of the change is the request id of the row, so a link that was overwritten before is not changed
 * again.
 * @throws StoreUnavailableError, OutcomeUnknownError: repeat it
 */
export async function overwrite(
  db: Pick<OwnLinksDb, 'find' | 'change'>,
  { taken, row }: { readonly taken: TakenLink; readonly row: ImportedRow },
  ownerId: bigint,
): Promise<Exception> {
  const { visits_left: left } = taken.link;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const stored = await db.find(row.key, ownerId);
    if (stored === undefined) return 'taken-code';
    if (stored.changedBy === row.requestId) return 'overwritten';
    if (stored.deletedAt !== null) return 'deleted-link';
    if (stored.rules.blocked !== undefined) return 'blocked-link';
    if (stored.rules.image !== undefined) return 'image-link';
    const state = toOverwritten(stored, taken.link);
    // Visits that were used up elsewhere are not given again.
    const change: LinkChange = { kind: 'edit', state, ...(left !== null && { mostVisitsLeft: left }) };
    if (await db.change({ link: stored, change, changeId: row.requestId })) return 'overwritten';
  }
  throw new StoreUnavailableError('the link', `${row.key} is changed all the time`);
}
