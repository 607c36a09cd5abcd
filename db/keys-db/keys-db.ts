import type { Log } from '../../runtime/log.ts';
import type { Batch, IssuedKey } from './batch.ts';
import { claimRange, claimRecycled, logEnd, type LogEnd, type PartRequest } from './claims.ts';
import {
  keysBetween,
  keysOf,
  markDelivered,
  pendingBatches,
  readLosses,
  recordLoss,
  type Loss,
} from './deliveries.ts';
import { generate, type GenerateRequest } from './generation.ts';
import {
  adoptEnsemble,
  raiseEpoch,
  raiseEpochAbove,
  readOwnership,
  verifyKeysDb,
  type LockProof,
  type Ownership,
} from './ownership.ts';
import { countsAt, recycledCount } from './counts.ts';
import {
  clearSuspects,
  dueSuspects,
  readSuspects,
  recordSettled,
  recordSuspects,
  settledRanges,
} from './suspects.ts';
import type { Keyspace } from '../keyspace/key.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';

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
 * One database of pre-generated keys. Every write is one autocommit statement, conditional on the epoch or idempotent, so
 * that a process stopped anywhere holds no lock against its successor, and one that is resumed too late does no harm.
 *
 * Errors are those of `store-errors.ts`; every statement has a deadline.
 */
export class KeysDb {
  readonly name: string;
  readonly region: number;
  readonly #keyspace: Keyspace;
  readonly #log: Log;
  readonly #db: Mysql;
  /** Generation's long statements have connections of their own, lest claims wait behind them. */
  readonly #generatorDb: Mysql;

  constructor({ name, url, region, keyspace, log }: KeysDbOptions) {
    this.name = name;
    this.region = region;
    this.#keyspace = keyspace;
    this.#log = log;
    this.#db = openMysql(url, { name, connections: 4 });
    this.#generatorDb = openMysql(url, { name, connections: 2 });
  }

  /** Refuses a database that is not this shard's (schema, secret, key length, region). @throws MismatchError */
  async verify(): Promise<void> {
    await verifyKeysDb(this.#db, this.#keyspace, this.region);
  }

  async ownership(): Promise<Ownership> {
    return readOwnership(this.#db);
  }

  /** Begins a reign; see {@link raiseEpoch}. @returns undefined when a later lock exists: give the lock back */
  async raiseEpoch(proof: LockProof): Promise<number | undefined> {
    const epoch = await raiseEpoch(this.#db, proof);
    this.#log.info(
      { keysDb: this.name, epoch, owner: proof.owner },
      epoch === undefined ? 'a later lock exists' : 'epoch raised',
    );
    return epoch;
  }

  /** Lifts our epoch above `floor`, the highest stored in any Redis. @throws FencedError */
  async raiseEpochAbove({ czxid, floor }: { czxid: bigint; floor: number }): Promise<number> {
    return raiseEpochAbove(this.#db, czxid, floor);
  }

  /** An operator's word that this ZooKeeper is the right one from now on. Idempotent. */
  async adoptEnsemble(ensemble: string): Promise<void> {
    await adoptEnsemble(this.#db, ensemble);
  }

  /** Adds keys; see {@link generate}. @returns the new `generatedTo` */
  async generate(request: GenerateRequest): Promise<number> {
    return generate(this.#generatorDb, this.#keyspace, this.region, request);
  }

  /** Claims the next `count` ids; see {@link claimRange}. One claim in flight at a time. */
  async claim(request: {
    epoch: number;
    after?: number;
    count: number;
    parts: readonly PartRequest[];
  }): Promise<Batch | undefined> {
    return claimRange(this.#db, request);
  }

  /** Claims keys again that were issued and are found nowhere; see {@link claimRecycled}. */
  async claimRecycled(request: {
    epoch: number;
    after?: number;
    ids: readonly number[];
    parts: readonly PartRequest[];
  }): Promise<Batch> {
    return claimRecycled(this.#db, request);
  }

  /** Batches not yet completed, in order of their claim. */
  async pendingBatches(): Promise<Batch[]> {
    return pendingBatches(this.#db);
  }

  /** The keys of a batch, in order of id. */
  async keysOf(batch: Batch): Promise<IssuedKey[]> {
    return keysOf(this.#db, batch);
  }

  /** Records deliveries, and completes the batch when none is left; see {@link markDelivered}. */
  async markDelivered(batch: Batch, partIndexes: readonly number[]): Promise<void> {
    await markDelivered(this.#db, batch, partIndexes);
  }

  /** The newest batch, and the highest sequence number ever assigned, by pool. */
  async logEnd(): Promise<LogEnd> {
    return logEnd(this.#db);
  }

  /** Keys not yet claimed and keys claimed so far. Costs no scan of the keys: ids less the recorded gaps. */
  async counts(): Promise<{ unused: number; used: number }> {
    return this.countsAt((await this.ownership()).claimedTo);
  }

  /** The same as if the claim mark were here. */
  async countsAt(mark: number): Promise<{ unused: number; used: number }> {
    return countsAt(this.#db, mark);
  }

  /** Keys claimed again so far, by all batches of kind `recycled`. */
  async recycledCount(): Promise<number> {
    return recycledCount(this.#db);
  }

  /** The rows of a range of ids, both ends included, in order; gaps have none. */
  async keysBetween(firstId: number, lastId: number): Promise<IssuedKey[]> {
    return keysBetween(this.#db, firstId, lastId);
  }

  /** Records deliveries that a pool has lost, before its sequence number is moved past them. Idempotent. @throws FencedError */
  async recordLoss({ epoch, ...loss }: Loss & { epoch: number }): Promise<void> {
    await recordLoss(this.#db, epoch, loss);
  }

  async losses(): Promise<Loss[]> {
    return readLosses(this.#db);
  }

  /** Remembers keys found nowhere; when each was first seen stays. */
  async recordSuspects(ids: readonly number[]): Promise<void> {
    await recordSuspects(this.#db, ids);
  }

  /** Forgets suspects that turned up. */
  async clearSuspects(ids: readonly number[]): Promise<void> {
    await clearSuspects(this.#db, ids);
  }

  /** All suspects up to `lastId`, in order of id. */
  async suspects(lastId?: number): Promise<number[]> {
    return readSuspects(this.#db, lastId);
  }

  /** Suspects first seen at least `quarantineMs` ago by the database's clock, at most `limit`. */
  async dueSuspects(quarantineMs: number, limit?: number): Promise<number[]> {
    return dueSuspects(this.#db, quarantineMs, limit);
  }

  /** Numbers of the ranges whose every key is bound: n stands for ids SETTLED_RANGE × n + 1 to SETTLED_RANGE × (n + 1). */
  async settledRanges(): Promise<number[]> {
    return settledRanges(this.#db);
  }

  /** Records that every key of these ranges is bound, which is for ever. Idempotent. */
  async recordSettled(rangeNumbers: readonly number[]): Promise<void> {
    await recordSettled(this.#db, rangeNumbers);
  }

  async close(): Promise<void> {
    await Promise.all([this.#db.close(), this.#generatorDb.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Connects lazily: an unreachable database shows in the first statement. */
export function openKeysDb(options: KeysDbOptions): KeysDb {
  return new KeysDb(options);
}
