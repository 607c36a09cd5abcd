import type { Log } from '../../runtime/log.ts';
import type { Keyspace } from '../keyspace/key.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { logCompatible } from '../mysql/schema-version.ts';
import { logEnd } from './claim-log.ts';
import { claimRange, claimRecycled } from './claims.ts';
import { countExactly, countsNow, isComplete, recycledCount, type RangeOfRows } from './counts.ts';
import {
  keysBetween,
  keysOf,
  markDelivered,
  pendingBatches,
  readLosses,
  recordLoss,
  textsOf,
} from './deliveries.ts';
import { generate, type GenerateRequest } from './generation.ts';
import { keepMark, readKeptMarks } from './kept-marks.ts';
import {
  adoptEnsemble,
  raiseEpoch,
  raiseEpochAbove,
  readOwnership,
  verifyKeysDb,
  type LockProof,
} from './ownership.ts';
import { forgetSeenBound, keepSeenBound, readSeenBound } from './seen-bound.ts';
import {
  clearSuspects,
  dueSuspects,
  readSuspects,
  recordSettled,
  recordSuspects,
  settledRanges,
} from './suspects.ts';
import { readWriteOffs, recordWriteOff } from './write-offs.ts';

export interface KeysDbOptions {
  /** "keys-db-1" */
  readonly name: string;
  readonly url: string;
  /** N - 1 of keys-db-N. */
  readonly region: number;
  readonly keyspace: Keyspace;
  readonly log: Log;
}

/**
 * One database of pre-generated keys. Each method calls the function of this folder that it names, which
 * documents it.
 *
 * Every write is one autocommit statement, conditional on the epoch or idempotent. Therefore a process that
 * stops anywhere holds no lock against its successor, and a process that resumes too late does no harm.
 *
 * The errors are those of `store-errors.ts`. Every statement has a deadline.
 */
export type KeysDb = ReturnType<typeof openKeysDb>;

/** Connects when first used: the first statement fails if the database is unreachable. */
export function openKeysDb({ name, url, region, keyspace, log }: KeysDbOptions) {
  const db = openMysql(url, { name, connections: 4 });
  /** Generation's long statements have connections of their own, so that claims never wait behind them. */
  const generatorDb = openMysql(url, { name, connections: 2 });
  let toldNewer = '';
  const close = async (): Promise<void> => {
    await Promise.all([db.close(), generatorDb.close()]);
  };
  return {
    name,
    region,
    verify: async () => {
      const newer = await verifyKeysDb(db, { keyspace, region });
      // It is verified again and again, and said once.
      if (newer.join() !== toldNewer) logCompatible(log, name, newer);
      toldNewer = newer.join();
    },

    ownership: on(db, readOwnership),
    raiseEpoch: async (proof: LockProof) => {
      const epoch = await raiseEpoch(db, proof);
      const outcome = epoch === undefined ? 'a later lock exists' : 'epoch raised';
      log.info({ keysDb: name, epoch, owner: proof.owner }, outcome);
      return epoch;
    },
    raiseEpochAbove: on(db, raiseEpochAbove),
    adoptEnsemble: on(db, adoptEnsemble),

    generate: async (request: GenerateRequest) => generate(generatorDb, { keyspace, region }, request),

    claim: on(db, claimRange),
    claimRecycled: on(db, claimRecycled),
    logEnd: on(db, logEnd),

    pendingBatches: on(db, pendingBatches),
    keysOf: on(db, keysOf),
    textsOf: on(db, textsOf),
    keysBetween: on(db, keysBetween),
    markDelivered: on(db, markDelivered),
    recordLoss: on(db, recordLoss),
    losses: on(db, readLosses),

    counts: on(db, countsNow),
    countExactly: on(db, countExactly),
    isComplete: async (range: RangeOfRows) => isComplete(db, { keyspace, region }, range),
    recycledCount: on(db, recycledCount),

    recordSuspects: on(db, recordSuspects),
    clearSuspects: on(db, clearSuspects),
    suspects: on(db, readSuspects),
    dueSuspects: on(db, dueSuspects),
    settledRanges: on(db, settledRanges),
    recordSettled: on(db, recordSettled),

    keptMarks: on(db, readKeptMarks),
    keepMark: on(db, keepMark),
    writeOffs: on(db, readWriteOffs),
    recordWriteOff: on(db, recordWriteOff),
    seenBound: on(db, readSeenBound),
    keepSeenBound: on(db, keepSeenBound),
    forgetSeenBound: on(db, forgetSeenBound),

    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Binds this database to `statement` as its first argument. */
function on<Args extends unknown[], Result>(
  db: Mysql,
  statement: (db: Mysql, ...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => statement(db, ...args);
}
