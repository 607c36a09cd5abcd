import { ALL_SLOTS, formatSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { hasLinks } from './stored-links.ts';
import { DuplicateRowError, MismatchError, StoreUnavailableError } from '../store-errors.ts';

interface SlotRow {
  slot: number;
  owned: number;
  slot_count: number;
}

/**
 * Compares the slots this map gives a urls database with those the database itself records.
 *
 * Without the record, two mappers with different maps could bind one key on two servers, and neither primary key would object.
 * A database that records nothing takes the map's word once, if it holds no link and `mayRecord` agrees. All 32 rows are
 * written by one INSERT, so that two mappers which start at once cannot both record different maps: the later one reads.
 *
 * @throws MismatchError when the record disagrees with the map, or when there is none where there should be one
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
 * Compares the record that a replica has copied with the slots of the server whose replica it should be. Never writes.
 *
 * @throws MismatchError when it is another server's copy; StoreUnavailableError when there is no record yet
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
    // Somebody recorded at the same time; the record decides.
    if (!(error instanceof DuplicateRowError)) throw error;
  }
}
