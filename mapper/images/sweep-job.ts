import type { BlobStore } from '../../db/blobs/blob-store.ts';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import type { Log } from '../../runtime/log.ts';
import type { RestedJob } from '../jobs/rested-jobs.ts';
import { recordOwner, whyShared } from './store-owner.ts';
import { sweepPiece, type SweptRows } from './sweep-piece.ts';
import type { Swept } from './sweep.ts';

/** What the sweep of a process has done. */
export interface SweepCounts {
  swept(why: Swept, bytes: number): void;
  /** A round has come to its end; whether it had to leave anything for the next one. */
  ended(isWhole: boolean): void;
}

export interface SweepJobOptions {
  readonly store: BlobStore;
  readonly keyspace: KeyspaceIdentity;
  readonly rows: SweptRows;
  readonly counts: SweepCounts;
  readonly log: Log;
  /** Only tests have another. */
  readonly everyMs?: number;
  /** Wall clock, in ms. Only tests have another. */
  readonly now?: () => number;
}

/** What is left over is a day old at least, so it need not go at once. */
const EVERY_MS = 6 * 3_600_000;
/** Says in a stored position that a round has left something. */
const NOT_WHOLE = '!';

/**
 * Walks over all images of the store, and deletes those that no link needs. One process of the cluster does
 * it at a time: the job is one of the urls server with slot 0, although it asks all of them.
 */
export function createSweepJob(options: SweepJobOptions): RestedJob {
  const { store, keyspace, counts, log, everyMs = EVERY_MS } = options;
  const rows: SweptRows = {
    ...options.rows,
    whyLost: async () => (await whyShared(store, keyspace)) ?? (await options.rows.whyLost()),
  };
  return {
    name: 'sweep images',
    everyMs,
    step: async (_db, { position }) => {
      if (position === undefined) await recordOwner(store, keyspace);
      const wasWhole = position?.startsWith(NOT_WHOLE) !== true;
      const after = wasWhole ? position : position?.slice(NOT_WHOLE.length);
      let notRead = 0;
      const refused: { blob: string; error: Error }[] = [];
      const piece = await sweepPiece(
        {
          store,
          rows,
          ...(options.now && { now: options.now }),
          onSwept: (blob, why) => {
            counts.swept(why, blob.bytes);
            log.debug({ blob: blob.name, bytes: blob.bytes, why }, 'swept');
          },
          onUnknown: (_blob, why) => {
            if (why === 'not-read') notRead += 1;
          },
          onRefused: ({ name }, error) => refused.push({ blob: name, error }),
        },
        after === '' ? undefined : after,
      );
      const { refusal } = piece;
      if (refusal !== undefined && wasWhole)
        log.warn({ reason: refusal }, 'images that nobody needs are kept: their links may only be missing');
      const [firstRefused] = refused;
      if (firstRefused !== undefined)
        log.warn({ ...firstRefused, blobs: refused.length }, 'the store does not delete what nobody needs');
      const isWhole = wasWhole && refusal === undefined && notRead + refused.length === 0;
      if (piece.position !== undefined) return `${isWhole ? '' : NOT_WHOLE}${piece.position}`;
      counts.ended(isWhole);
      return undefined;
    },
  };
}
