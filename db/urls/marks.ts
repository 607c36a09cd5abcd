import { randomBytes } from 'node:crypto';
import { monotonicMs } from '../../runtime/clock.ts';
import { parseCount } from '../../runtime/stored-values.ts';
import type { Mysql } from '../mysql/mysql.ts';
import {
  completeIdentity,
  IDENTITY_COLUMNS,
  type IdentityRow,
  type ServerIdentity,
} from '../mysql/server-identity.ts';
import { DuplicateRowError, OutcomeUnknownError, StoreUnavailableError } from '../store-errors.ts';

/** What a urls server shows of its past to the holder of one keys-db. */
export interface ServerMark {
  /** Undefined when it has no row of this keys-db. */
  readonly beat: number | undefined;
  readonly identity: ServerIdentity;
  /** The random id stored in its tables, which a copy has too. Empty when it has none. */
  readonly incarnation: string;
}

interface MarkRow extends IdentityRow {
  readonly beat: unknown;
  readonly incarnation: string | null;
}

const READ_MARK = `SELECT ${IDENTITY_COLUMNS},
  (SELECT beat FROM marks WHERE keys_db = ?) AS beat, (SELECT incarnation FROM server WHERE id = 1) AS incarnation`;

/**
 * Reads the mark of a keys-db and the identity of the server.
 * @throws StoreUnavailableError; ImpossibleValueError when the beat can be no count
 */
export async function readMark(db: Mysql, keysDb: string): Promise<ServerMark> {
  const sentMs = monotonicMs();
  const [row] = await db.query<MarkRow>(READ_MARK, [keysDb]);
  if (row === undefined) throw new StoreUnavailableError(db.name, 'it does not describe itself');
  const identity = await completeIdentity(db, row, sentMs);
  const beat = row.beat === null ? undefined : parseCount(row.beat, { store: db.name, what: beatOf(keysDb) });
  return { beat, identity, incarnation: row.incarnation ?? '' };
}

/** The name of a beat in a message. */
export function beatOf(keysDb: string): string {
  return `beat of ${keysDb} in marks`;
}

/** Gives the server an incarnation if it has none. */
export async function ensureIncarnation(db: Mysql): Promise<void> {
  const incarnation = randomBytes(16).toString('hex');
  await db.execute('INSERT IGNORE INTO server (id, incarnation) VALUES (1, ?)', [incarnation]);
}

export interface Beat {
  readonly keysDb: string;
  /** The beat as it was read and judged; undefined without a row. */
  readonly from: number | undefined;
  readonly claimedTo: number;
}

/**
 * Counts up a beat by one, only if it is still `from`. A beat that has gone back since it was judged is left
 * as it is, so that the next judgement notices.
 *
 * @returns the new beat; undefined when it was not `from`, or when nobody knows
 */
export async function countUp(db: Mysql, { keysDb, from, claimedTo }: Beat): Promise<number | undefined> {
  try {
    if (from === undefined) {
      await db.execute('INSERT INTO marks (keys_db, beat, claimed_to) VALUES (?, 1, ?)', [keysDb, claimedTo]);
      return 1;
    }
    const { affectedRows } = await db.execute(
      'UPDATE marks SET beat = beat + 1, claimed_to = GREATEST(claimed_to, ?) WHERE keys_db = ? AND beat = ?',
      [claimedTo, keysDb, from],
    );
    return affectedRows === 1 ? from + 1 : undefined;
  } catch (error) {
    if (error instanceof DuplicateRowError || error instanceof OutcomeUnknownError) return undefined;
    throw error;
  }
}
