import { randomBytes } from 'node:crypto';
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

/** Sweeps the store in the background until it is disposed of, when no other process does. */
export function openSweep(options: OpenSweepOptions): AsyncDisposable {
  const { id, pollMs, isWritable, log } = options;
  const stack = new AsyncDisposableStack();
  const rows = stack.use(openSweptRows(options));
  const db = rows.dbOf(LEASE_SLOT);
  const servers = db === undefined ? [] : [{ name: db.name, db, isWritable: () => isWritable(LEASE_SLOT) }];
  stack.use(
    startRestedJobs({
      jobs: [createSweepJob({ ...options, rows })],
      servers,
      holder: `${id}/${randomBytes(8).toString('hex')}`,
      log,
      pollMs,
    }),
  );
  return stack;
}
