import { whyForeign, type StoredIdentity } from '../../runtime/config/keyspace-identity.ts';
import type { Keyspace } from '../keyspace/key.ts';
import type { Mysql } from '../mysql/mysql.ts';
import { checkSchema } from '../mysql/schema-version.ts';
import { DuplicateRowError, FencedError, MismatchError } from '../store-errors.ts';
import { parseCount } from '../../runtime/stored-values.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

/** The owner of a keys-db, and how far claims and generation have come. */
export interface Ownership {
  readonly epoch: number;
  /** Of the lock whose holder raised the epoch. 0n before the first reign. */
  readonly czxid: bigint;
  /** The ZooKeeper ensemble of the czxid. Undefined before the first reign. */
  readonly ensemble: string | undefined;
  readonly owner: string | undefined;
  /** The claim mark: every id up to it has been issued. */
  readonly claimedTo: number;
  /** Every key up to this id has been inserted. */
  readonly generatedTo: number;
}

interface OwnershipRow {
  epoch: number;
  czxid: string;
  ensemble: string | null;
  owner: string | null;
  claimed_to: number | null;
  generated_to: number;
}

/**
 * Refuses a database that is not this shard's: another secret, key length, region or schema. The region also
 * reveals two names for one database. The first program that connects records the secret's fingerprint, the
 * key length and the region.
 * @returns the migrations that this program does not know, although it may use the schema; mostly none
 * @throws MismatchError; SchemaMismatchError when the schema is another version's
 */
export async function verifyKeysDb(
  db: Mysql,
  { keyspace, region }: { keyspace: Keyspace; region: number },
): Promise<readonly string[]> {
  const newer = await checkSchema(db, 'keys-db');
  let stored = await readIdentity(db);
  if (!stored) {
    const [key] = await db.query('SELECT id FROM `keys` LIMIT 1');
    if (key)
      throw new MismatchError(
        db.name,
        'holds keys, but not the fingerprint of the secret they were made with',
      );
    await recordIdentity(db, keyspace, region);
    stored = await readIdentity(db);
  }
  if (!stored) throw new MismatchError(db.name, 'its keyspace row vanished while it was being verified');
  const reason = whyForeign(stored, keyspace);
  if (reason !== undefined) throw new MismatchError(db.name, reason);
  if (stored.region !== region)
    throw new MismatchError(
      db.name,
      `was made for region ${stored.region}, the configuration says ${region}`,
    );
  return newer;
}

interface IdentityRow extends StoredIdentity {
  readonly region: number;
}

async function readIdentity(db: Mysql): Promise<IdentityRow | undefined> {
  const rows = await db.query<IdentityRow>(
    'SELECT fingerprint, key_length, region_bits, region FROM keyspace WHERE id = 1',
  );
  return rows[0];
}

async function recordIdentity(db: Mysql, keyspace: Keyspace, region: number): Promise<void> {
  try {
    await db.execute(
      'INSERT INTO keyspace (id, fingerprint, key_length, region_bits, region) VALUES (1, ?, ?, ?, ?)',
      [keyspace.fingerprint, keyspace.length, keyspace.regionBits, region],
    );
  } catch (error) {
    // Another process was first. Its record is compared next.
    if (!(error instanceof DuplicateRowError)) throw error;
  }
}

/** Reads the ownership row and the claim mark. @throws ImpossibleValueError */
export async function readOwnership(db: Mysql): Promise<Ownership> {
  const [row] = await db.query<OwnershipRow>(
    `SELECT epoch, CAST(czxid AS CHAR) AS czxid, ensemble, owner, generated_to,
            (SELECT claimed_to FROM batches ORDER BY id DESC LIMIT 1) AS claimed_to
       FROM ownership WHERE id = 1`,
  );
  if (!row) throw new MismatchError(db.name, 'has no ownership row');
  return {
    epoch: parseEpoch(row.epoch, db.name),
    czxid: BigInt(row.czxid),
    ensemble: row.ensemble ?? undefined,
    owner: row.owner ?? undefined,
    claimedTo: parseCount(row.claimed_to, { store: db.name, what: 'claimed_to of the newest batch' }),
    generatedTo: parseCount(row.generated_to, { store: db.name, what: 'generated_to' }),
  };
}

/** The proof of a lock: its node's czxid within the ensemble it belongs to. */
export interface LockProof {
  readonly czxid: bigint;
  readonly ensemble: string;
  readonly owner: string;
}

/**
 * Begins a reign: raises the epoch for a lock. A contender fails here if a later lock has raised the epoch
 * already.
 * @returns our epoch, and the same epoch on a repeated call. Undefined when a later lock exists: release the
 * lock
 * @throws MismatchError when the keys-db belongs to another ensemble
 */
export async function raiseEpoch(
  db: Mysql,
  { czxid, ensemble, owner }: LockProof,
): Promise<number | undefined> {
  await repeatUntilKnown(() =>
    db.execute(
      `UPDATE ownership SET epoch = epoch + 1, czxid = ?, owner = ?, ensemble = ?, raised_at = UTC_TIMESTAMP(3)
        WHERE id = 1 AND czxid < ? AND (ensemble IS NULL OR ensemble = ?)`,
      [czxid, owner, ensemble, czxid, ensemble],
    ),
  );
  // Selected by our own czxid, because the epoch in the table can be that of a later reign. By the owner too,
  // because a ZooKeeper that was put back to an earlier state gives a number twice.
  const ours = await epochOf(db, czxid, { ensemble, owner });
  if (ours !== undefined) return ours;
  const now = await readOwnership(db);
  if (now.ensemble !== ensemble) {
    throw new MismatchError(
      db.name,
      `belongs to ZooKeeper ensemble ${now.ensemble}, not to ${ensemble}: if ZooKeeper was wiped, run "keymill zookeeper adopt"`,
    );
  }
  return undefined;
}

/**
 * Raises our epoch above `floor`, the highest epoch stored in any Redis: a keys-db restored from a backup is
 * behind.
 * @throws FencedError when the reign of this lock is over
 */
export async function raiseEpochAbove(
  db: Mysql,
  { czxid, floor }: { readonly czxid: bigint; readonly floor: number },
): Promise<number> {
  await repeatUntilKnown(() =>
    db.execute('UPDATE ownership SET epoch = ? WHERE id = 1 AND czxid = ? AND epoch <= ?', [
      floor + 1,
      czxid,
      floor,
    ]),
  );
  const ours = await epochOf(db, czxid);
  if (ours === undefined) throw new FencedError(db.name, 'the epoch now belongs to another lock');
  return ours;
}

/**
 * Accepts the locks of a new ZooKeeper after the old one was wiped, on an operator's command. Its czxids
 * start from zero again, epochs continue to rise. Idempotent.
 */
export async function adoptEnsemble(db: Mysql, ensemble: string): Promise<void> {
  await repeatUntilKnown(() =>
    db.execute(
      `UPDATE ownership SET epoch = epoch + 1, czxid = 0, owner = NULL, ensemble = ?
        WHERE id = 1 AND (ensemble IS NULL OR ensemble <> ?)`,
      [ensemble, ensemble],
    ),
  );
}

async function epochOf(
  db: Mysql,
  czxid: bigint,
  proof?: Pick<LockProof, 'ensemble' | 'owner'>,
): Promise<number | undefined> {
  const [row] = await db.query<{ epoch: number }>(
    `SELECT epoch FROM ownership WHERE id = 1 AND czxid = ? ${proof ? 'AND ensemble = ? AND owner = ?' : ''}`,
    proof ? [czxid, proof.ensemble, proof.owner] : [czxid],
  );
  return row && parseEpoch(row.epoch, db.name);
}

/** @throws ImpossibleValueError: nothing can count on from a number near 2^53 */
function parseEpoch(value: unknown, store: string): number {
  return parseCount(value, { store, what: 'epoch of the ownership row' });
}
