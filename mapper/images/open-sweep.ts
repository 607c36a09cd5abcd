import { randomBytes } from 'node:crypto';
import { withDeadline } from '../../runtime/retry.ts';
import { startRestedJobs } from '../jobs/rested-jobs.ts';
import { createSweepJob, type SweepJobOptions } from './sweep-job.ts';
import { openSweptRows, type SweptRowsOptions } from './swept-rows.ts';

export interface OpenSweepOptions
  extends SweptRowsOptions, Omit<SweepJobOptions, 'rows' | 'log' | 'keyspace'> {
  /** Of the mapper. */
  readonly id: string;
  readonly pollMs: number;
  /** Whether the urls server of a slot takes writes. */
  readonly isWritable: (slot: number) => boolean;
}

/** The lease for the walk over the whole store is a row on one urls server: the one that owns this slot. */
const LEASE_SLOT = 0;
const END_MS = 1_000;

/** Sweeps the store in the background until it is disposed of, when no other process does. */
export function openSweep(options: OpenSweepOptions): AsyncDisposable {
  const { id, pollMs, isWritable, log } = options;
  const rows = openSweptRows(options);
  const db = rows.dbOf(LEASE_SLOT);
  const servers = db === undefined ? [] : [{ name: db.name, db, isWritable: () => isWritable(LEASE_SLOT) }];
  const started = startRestedJobs({
    jobs: [createSweepJob({ ...options, rows })],
    servers,
    holder: `${id}/${randomBytes(8).toString('hex')}`,
    log,
    pollMs,
  });
  return {
    [Symbol.asyncDispose]: async () => {
      const ended = started[Symbol.asyncDispose]();
      await withDeadline('ending the sweep', END_MS, async () => ended).catch(() => undefined);
      // Cuts off what is still asked. A blob may still be deleted: nobody needs it.
      await rows[Symbol.asyncDispose]();
      await ended;
    },
  };
}
