import type { BlobStore } from '../../../db/blobs/blob-store.ts';
import { openBlobStore } from '../../../db/blobs/open-blob-store.ts';
import { SLOT_COUNT } from '../../../runtime/config/slots.ts';
import { openMysql, type Mysql } from '../../../db/mysql/mysql.ts';
import { ownedSlots, walkOwned, walkSlot, type ImageRow } from '../../../db/own-links/image-rows.ts';
import type { ListPosition } from '../../../db/own-links/own-link.ts';
import type { ScanPosition } from '../../../db/own-links/scan-links.ts';
import type { UrlsDbConfig } from '../../../runtime/config/stores.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { UsageError } from '../../../runtime/terminal/errors.ts';
import type { Cluster } from './find-cluster.ts';

/** Rows that are looked at in one statement: some 10 ms of work for the server. */
const ROWS_AT_ONCE = 2_000;
const CONNECTIONS = 2;

/** @throws UsageError when the cluster has no images */
export async function openStoreOf({ config }: Cluster): Promise<BlobStore> {
  if (config.blobs === undefined) throw new UsageError('this cluster has no images: set KEYMILL_BLOBS');
  return openBlobStore(config.blobs, { log: QUIET_LOG, pollMs: 0 });
}

/** A piece of all images. */
export interface ImagesPiece {
  readonly images: readonly ImageRow[];
  /** How much of the way is done, from 0 to 1. */
  readonly share: number;
}

/** Images of the urls servers, in bounded memory. One server after the other. */
export class ImageWalk {
  /** The servers that did not answer, and why. Their images were left out. */
  readonly silent = new Map<string, string>();
  readonly #servers: readonly UrlsDbConfig[];

  constructor(servers: readonly UrlsDbConfig[]) {
    this.#servers = servers;
  }

  /** All images, by slot and key. */
  async *all(): AsyncGenerator<ImagesPiece> {
    let slotsDone = 0;
    for (const config of this.#servers) {
      yield* this.#of(config, async function* (db) {
        const owned = await ownedSlots(db);
        for (const slot of config.slots) {
          if (!owned.has(slot)) throw new Error(`it does not say that it has slot ${slot}`);
          let position: ScanPosition | undefined = { slot, key: '' };
          while (position !== undefined) {
            const piece = await walkSlot(db, position, ROWS_AT_ONCE);
            position = piece.end;
            const share = position === undefined ? 1 : shareOf(position.key);
            yield { images: piece.images, share: (slotsDone + share) / SLOT_COUNT };
          }
          slotsDone += 1;
        }
      });
    }
  }

  /** Those of one owner, on one server after the other, from the oldest to the newest. */
  async *ownedBy(userId: bigint): AsyncGenerator<ImagesPiece> {
    for (const [index, config] of this.#servers.entries()) {
      const share = (index + 1) / this.#servers.length;
      yield* this.#of(config, async function* (db) {
        let after: ListPosition | undefined;
        do {
          const piece = await walkOwned(db, { userId, after, count: ROWS_AT_ONCE });
          after = piece.end;
          yield { images: piece.images, share };
        } while (after !== undefined);
      });
    }
  }

  async *#of(
    { name, url }: UrlsDbConfig,
    walk: (db: Mysql) => AsyncGenerator<ImagesPiece>,
  ): AsyncGenerator<ImagesPiece> {
    const db = openMysql(url, { name, connections: CONNECTIONS });
    const pieces = walk(db);
    try {
      for (;;) {
        const next = await pieces.next().catch((error: unknown) => {
          this.silent.set(name, messageOf(error));
          return { done: true as const, value: undefined };
        });
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await db.close();
    }
  }
}

const ALPHABET = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

/** Where a key is in the order of all keys, from 0 to 1: keys are spread evenly. */
export function shareOf(key: string): number {
  const placeOf = (index: number): number => Math.max(0, ALPHABET.indexOf(key.charAt(index)));
  return (placeOf(0) * ALPHABET.length + placeOf(1)) / ALPHABET.length ** 2;
}
