import { randomBytes } from 'node:crypto';
import { parseCount } from '../../runtime/stored-values.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { refuseIfFenced } from './refuse-if-fenced.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

/** Why keys of a urls server are written off. `restored`: an operator said so. */
export type WriteOffKind = 'restarted' | 'gone-back' | 'restored';

/** No missing key up to the claim mark, whose slot is one of these, is recycled any more. */
export interface WriteOff {
  readonly urlsDb: string;
  /** Bit i: slot i. */
  readonly slots: number;
  readonly claimedTo: number;
  readonly kind: WriteOffKind;
  readonly reason: string;
  /** When the server was last seen in its earlier state. Undefined for kind `restored`. */
  readonly goodAt: Date | undefined;
  readonly recordedAt: Date;
}

export interface WriteOffRequest {
  readonly urlsDb: string;
  readonly slots: readonly number[];
  readonly kind: WriteOffKind;
  readonly reason: string;
}

/**
 * Writes off the keys of a urls server up to the claim mark of now. From the moment it returns, no claim of
 * recycled keys succeeds that was decided before.
 *
 * @param epoch of the holder. An operator has none: the record is true in every reign
 * @returns the claim mark
 * @throws FencedError
 */
export async function recordWriteOff(
  db: Mysql,
  { urlsDb, slots, kind, reason }: WriteOffRequest,
  epoch?: number,
): Promise<number> {
  const id = randomBytes(16).toString('hex');
  const mask = slots.reduce((bits, slot) => bits + 2 ** slot, 0);
  const condition = epoch === undefined ? 'TRUE' : 'epoch = ?';
  const { affectedRows } = await repeatUntilKnown(() =>
    db.execute(
      `INSERT INTO write_offs (id, urls_db, slots, claimed_to, kind, reason, good_at, recorded_at)
       SELECT ?, ?, ?, COALESCE((SELECT claimed_to FROM batches ORDER BY id DESC LIMIT 1), 0), ?, ?,
              (SELECT kept_at FROM kept_marks WHERE urls_db = ?), UTC_TIMESTAMP(3)
         FROM ownership WHERE ownership.id = 1 AND ${condition} FOR UPDATE
       ON DUPLICATE KEY UPDATE write_offs.id = write_offs.id`,
      [id, urlsDb, mask, kind, reason.slice(0, 255), kind === 'restored' ? null : urlsDb].concat(
        epoch === undefined ? [] : [epoch],
      ),
    ),
  );
  if (affectedRows === 0 && epoch !== undefined) await refuseIfFenced(db, epoch);
  await repeatUntilKnown(() => db.execute('UPDATE ownership SET write_offs = write_offs + 1 WHERE id = 1'));
  const [row] = await db.query<{ claimed_to: number }>('SELECT claimed_to FROM write_offs WHERE id = ?', [
    id,
  ]);
  return row?.claimed_to ?? 0;
}

interface Row {
  readonly urls_db: string;
  readonly slots: unknown;
  readonly claimed_to: unknown;
  readonly kind: WriteOffKind;
  readonly reason: string;
  readonly good_at: Date | null;
  readonly recorded_at: Date;
}

/**
 * All write-offs, oldest first, and the number that a claim of recycled keys must name which was decided by
 * them.
 * @throws ImpossibleValueError when a claim mark can be no count, or the slots can be no slots
 */
export async function readWriteOffs(db: Mysql): Promise<{ version: number; writeOffs: WriteOff[] }> {
  // The version first: a write-off that comes between the two reads then refuses the claim.
  const [owned] = await db.query<{ write_offs: number }>('SELECT write_offs FROM ownership WHERE id = 1');
  const rows = await db.query<Row>(
    'SELECT urls_db, slots, claimed_to, kind, reason, good_at, recorded_at FROM write_offs ORDER BY recorded_at, id',
  );
  return {
    version: owned?.write_offs ?? 0,
    writeOffs: rows.map(({ urls_db: urlsDb, kind, reason, ...row }) => ({
      urlsDb,
      slots: parseCount(row.slots, { store: db.name, what: `slots of ${urlsDb} in write_offs` }),
      claimedTo: parseCount(row.claimed_to, {
        store: db.name,
        what: `claimed_to of ${urlsDb} in write_offs`,
      }),
      kind,
      reason,
      goodAt: row.good_at ?? undefined,
      recordedAt: row.recorded_at,
    })),
  };
}

/**
 * The servers that have gone back and about which no operator has spoken since: the latest write-off of each.
 * Pure.
 */
export function openAlarms(writeOffs: readonly WriteOff[]): Map<string, WriteOff> {
  const alarms = new Map<string, WriteOff>();
  for (const writeOff of writeOffs) {
    const { urlsDb, kind, goodAt, recordedAt } = writeOff;
    if (kind !== 'gone-back') continue;
    const since = goodAt ?? recordedAt;
    const isKnown = writeOffs.some(
      (other) => other.kind === 'restored' && other.urlsDb === urlsDb && other.recordedAt >= since,
    );
    if (!isKnown) alarms.set(urlsDb, writeOff);
  }
  return alarms;
}
