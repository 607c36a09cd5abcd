import { ALL_SLOTS, formatSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { DuplicateRowError, MismatchError, StoreUnavailableError } from '../store-errors.ts';
import { hasLinks } from './stored-links.ts';

interface SlotRow {
  slot: number;
  owned: number;
  slot_count: number;
}

/**
 * Compares the slots that the map gives a urls database with those that the database records.
 *
 * Without the record, two mappers with different maps could bind one key on two servers, and neither primary
 * key would prevent it. A database without a record records the map's slots once, if it has no link and
 * `mayRecord` does not throw. One INSERT writes all 32 rows, so that of two mappers that start at the same
 * time only one can record its map. The other reads that record.
 *
 * @throws MismatchError when record and map differ, or when a database with links has no record
 */
export async function verifySlots(
  db: Mysql,
  slots: readonly number[],
  mayRecord: () => Promise<void>,
): Promise<void> {
  let recorded = await readSlots(db);
  if (recorded.length === 0) {
    await refuseIfLinked(db);
    await mayRecord();
    await recordSlots(db, slots);
    recorded = await readSlots(db);
  }
  const owned = ownedOf(db.name, recorded);
  if (formatSlots(owned) === formatSlots(slots)) return;
  const [theirs, ours] = [formatSlots(owned), formatSlots(slots)];
  throw new MismatchError(
    db.name,
    `it records that it owns slots ${theirs}, KEYMILL_URLS_DBS gives it ${ours}`,
  );
}

/**
 * Compares the record in a replica with the slots of the server that it should copy. Never writes.
 *
 * @throws MismatchError when it copies another server; StoreUnavailableError when it has no record yet
 */
export async function verifyReplicaSlots(db: Mysql, slots: readonly number[], server: string): Promise<void> {
  const recorded = await readSlots(db);
  if (recorded.length === 0) throw new StoreUnavailableError(db.name, 'it records no slots yet');
  const owned = ownedOf(db.name, recorded);
  if (formatSlots(owned) === formatSlots(slots)) return;
  throw new MismatchError(
    db.name,
    `it records slots ${formatSlots(owned)}, KEYMILL_URLS_REPLICAS calls it a replica of ${server}, which has ${formatSlots(slots)}`,
  );
}

function ownedOf(store: string, recorded: readonly SlotRow[]): number[] {
  const counts = new Set(recorded.map((row) => row.slot_count));
  if (recorded.length !== SLOT_COUNT || counts.size !== 1 || !counts.has(SLOT_COUNT)) {
    const found = `${recorded.length} slots of ${[...counts].join(' and ')}`;
    throw new MismatchError(store, `it records ${found}; this program knows ${SLOT_COUNT}`);
  }
  return recorded.filter((row) => row.owned === 1).map((row) => row.slot);
}

async function readSlots(db: Mysql): Promise<SlotRow[]> {
  return db.query<SlotRow>('SELECT slot, owned, slot_count FROM slots ORDER BY slot');
}

async function refuseIfLinked(db: Mysql): Promise<void> {
  if (!(await hasLinks(db))) return;
  throw new MismatchError(
    db.name,
    'it holds links but does not record which slots it owns: restore its table `slots`',
  );
}

async function recordSlots(db: Mysql, slots: readonly number[]): Promise<void> {
  const rows = ALL_SLOTS.map((slot) => [slot, slots.includes(slot) ? 1 : 0, SLOT_COUNT, 1]);
  try {
    await db.execute('INSERT INTO slots (slot, owned, slot_count, version) VALUES ?', [rows]);
  } catch (error) {
    // Another mapper recorded at the same time. The caller reads its record.
    if (!(error instanceof DuplicateRowError)) throw error;
  }
}
