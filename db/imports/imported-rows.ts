import { toSqlText } from '../mysql/driver.ts';
import { toCreatedEvents, toOwnedInserts, type OwnedRow } from '../own-links/owned-insert.ts';
import type { WantsEvents } from '../outbox/link-events.ts';
import { byPrimaryKey } from '../urls/link-insert.ts';

/** A link to bind as an import brings it. */
export interface ImportedRow extends OwnedRow {
  /** How often it was followed where it comes from. */
  readonly visits: { readonly humans: number; readonly bots: number };
}

/** The statements of one transaction that binds all rows, so that no visit counts twice. */
export function toImportedInserts(rows: readonly ImportedRow[], wantsEvents: WantsEvents): string[] {
  const statements = toOwnedInserts(rows);
  const totals = rows
    .filter(({ visits }) => visits.humans > 0 || visits.bots > 0)
    .toSorted(byPrimaryKey)
    .map(({ slot, key, visits }) => `(${slot},${toSqlText(key)},${visits.humans},${visits.bots})`);
  if (totals.length > 0)
    // Clicks of a key that is bound only now cannot be there, so a row of this key would be a fault.
    statements.push(`INSERT INTO click_totals (slot, unique_id, humans, bots) VALUES ${totals.join(',')}`);
  return [...statements, ...toCreatedEvents(rows, wantsEvents)];
}
