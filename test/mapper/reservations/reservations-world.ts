import { randomBytes } from 'node:crypto';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../../db/mysql/mysql.ts';
import { slotOfHash, type Reservation } from '../../../db/reservations/reservation.ts';
import { openReservationsDb, type ReservationsDb } from '../../../db/reservations/reservations-db.ts';
import { OutcomeUnknownError } from '../../../db/store-errors.ts';
import type { UrlsDb } from '../../../db/urls/links.ts';
import type { Fate, Step } from '../../../mapper/reservations/policy.ts';
import { Reservations } from '../../../mapper/reservations/reservations.ts';
import type { ReservedRequest } from '../../../mapper/reservations/reserved-request.ts';
import { Binder } from '../../../mapper/urls/binder.ts';
import { emptyUrlsDatabase, linkRow, LOWER, OpenUrlsDbs, randomKey, UPPER } from '../../db/urls-fixture.ts';

/**
 * What becomes of a write: it has an answer; or none, and is carried out now, never, or when it is landed.
 */
export type WriteFault = 'answered' | 'done' | 'lost' | 'late';

export interface ProcessOptions {
  /** Throws {@link Died}: the process dies after this step. */
  readonly onStep?: (step: Step) => Promise<void> | void;
  /** Asked before each write. */
  readonly faultOf?: () => WriteFault;
  /** Awaited before each read of a reservation, and before each look at a link. */
  readonly onRead?: (slot: number) => Promise<void>;
  /** Awaited before each link is bound. */
  readonly onBind?: (slot: number) => Promise<void>;
}

/** A process has died: it gives back nothing. */
export class Died extends Error {}

interface Server {
  readonly db: ReservationsDb;
  readonly urls: UrlsDb;
  readonly sql: Mysql;
}

/** A stored link of a test. */
interface TestLink {
  readonly key: string;
  readonly requestId: string;
  readonly isDeleted: boolean;
}

/** Two urls servers that share the slots, a pool of keys, and processes that make links there. */
export class ReservationsWorld implements AsyncDisposable {
  readonly pool: string[] = [];
  /** Writes whose senders have gone on. */
  readonly late: (() => Promise<unknown>)[] = [];
  readonly #dbs = new OpenUrlsDbs();
  readonly #servers: Server[] = [];

  static async open(): Promise<ReservationsWorld> {
    const world = new ReservationsWorld();
    for (const [index, slots] of [LOWER, UPPER].entries()) {
      const url = await emptyUrlsDatabase();
      const urls = world.#dbs.open(url, slots);
      await urls.verifySlots();
      const db = openReservationsDb({ name: `urls-${index + 1}`, url, slots });
      world.#servers.push({ db, urls, sql: openMysql(url, { name: 'test' }) });
    }
    return world;
  }

  /** A process of a mapper. */
  start({ onStep, faultOf = () => 'answered', onRead, onBind }: ProcessOptions = {}): Reservations {
    let hasDied = false;
    const write = async <T>(work: () => Promise<T>): Promise<T> => {
      const fault = faultOf();
      if (fault === 'late') this.late.push(work);
      if (fault === 'answered' || fault === 'done') {
        const result = await work();
        if (fault === 'answered') return result;
      }
      throw new OutcomeUnknownError('urls-1', 'the test took its answer away');
    };
    const binders = this.#servers.map(({ urls }) => createBinder(urls));
    return new Reservations({
      servers: this.#servers.map(({ db }) => ({
        db: {
          ...this.#through(db),
          find: async (hash) => {
            await onRead?.(slotOfHash(hash));
            return db.find(hash);
          },
          findLink: async (key) => {
            await onRead?.(slotOf(key));
            return db.findLink(key);
          },
          insert: async (terms, link) => write(async () => db.insert(terms, link)),
          replace: async (terms, before, link) => write(async () => db.replace(terms, before, link)),
        },
        isUp: () => true,
        isWritable: () => true,
      })),
      slotOf,
      drawKey: async () => {
        const key = this.pool.pop() ?? randomKey();
        const settle = (fate: Fate): void => {
          if (fate === 'unused' && !hasDied) this.pool.push(key);
        };
        return { key, settle };
      },
      bind: async (row) => {
        await onBind?.(row.slot);
        return write(async () =>
          (binders[this.#servers.indexOf(this.#at(row.slot))] as Binder).bindAlias(row),
        );
      },
      appeared: async () => undefined,
      onStep: async (step) => {
        try {
          await onStep?.(step);
        } catch (error) {
          hasDied = true;
          throw error;
        }
      },
      now: () => 0,
    });
  }

  async reservationOf({ hash }: ReservedRequest): Promise<Reservation | undefined> {
    return this.#at(slotOfHash(hash)).db.find(hash);
  }

  /** The reservation expires. */
  async expire({ hash }: ReservedRequest): Promise<void> {
    await this.#at(slotOfHash(hash)).sql.execute(
      'UPDATE reservations SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE hash = ?',
      [Buffer.from(hash, 'hex')],
    );
  }

  async prune(): Promise<number> {
    const removed = await Promise.all(this.#servers.map(async ({ db }) => db.prune(100)));
    return removed.reduce((sum, count) => sum + count, 0);
  }

  /** @returns whether there was such a link, and it was not deleted */
  async deleteLink(key: string): Promise<boolean> {
    const { affectedRows } = await this.#at(slotOf(key)).sql.execute(
      'UPDATE urls SET deleted_at = UTC_TIMESTAMP(3) WHERE unique_id = ? AND deleted_at IS NULL',
      [key],
    );
    return affectedRows === 1;
  }

  /** Another request binds the key, if nobody has: an alias that spells it. */
  async steal(key: string): Promise<void> {
    await this.#at(slotOf(key))
      .urls.insert([linkRow(key, { alias: true })])
      .catch(() => undefined);
  }

  /** The links that were made for a target. */
  async linksTo(longUrl: string): Promise<TestLink[]> {
    const found = await Promise.all(
      this.#servers.map(async ({ sql }) =>
        sql.query<{ unique_id: string; request_id: Buffer; deleted_at: Date | null }>(
          'SELECT unique_id, request_id, deleted_at FROM urls WHERE original_url = ?',
          [longUrl],
        ),
      ),
    );
    return found.flat().map(({ unique_id: key, request_id, deleted_at }) => ({
      key,
      requestId: request_id.toString('hex'),
      isDeleted: deleted_at !== null,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dbs.closeAll();
    await Promise.all(this.#servers.flatMap(({ db, sql }) => [db.close(), sql.close()]));
  }

  #at(slot: number): Server {
    return this.#servers.find(({ db }) => db.slots.includes(slot)) as Server;
  }

  #through(db: ReservationsDb): ReservationsDb {
    return {
      name: db.name,
      slots: db.slots,
      find: async (hash) => db.find(hash),
      insert: async (terms, link) => db.insert(terms, link),
      replace: async (terms, before, link) => db.replace(terms, before, link),
      findLink: async (key) => db.findLink(key),
      prune: async (count) => db.prune(count),
      close: async () => db.close(),
    };
  }
}

function createBinder(store: UrlsDb): Binder {
  const breaker = { isClosed: true, succeeded: () => undefined, failed: () => undefined };
  return new Binder({
    store,
    breaker,
    hasOtherKeys: true,
    queueLimit: 100,
    onBatch: () => undefined,
    now: () => 0,
  });
}

/** An alias that no other test has. */
export function newAlias(): string {
  return `alias-${randomBytes(9).toString('base64url')}`;
}
