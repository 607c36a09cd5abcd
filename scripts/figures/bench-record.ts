import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';

/** How many runs of one row are kept; older ones are dropped. */
const MAX_RUNS = 30;

const Further = z
  .object({
    label: z.string(),
    value: z.number(),
    baseline: z.string(),
    baselineValue: z.number(),
    ratio: z.number(),
    interval: z.tuple([z.number(), z.number()]).readonly(),
    goal: z.number().nullable(),
    isReached: z.boolean(),
  })
  .readonly();

/** A comparison of a row beside its first one. */
export type RecordedComparison = z.infer<typeof Further>;

const Run = z.object({
  date: z.string(),
  commit: z.string(),
  command: z.string(),
  machine: z.string(),
  name: z.string(),
  value: z.number(),
  unit: z.string(),
  baseline: z.string(),
  baselineValue: z.number(),
  ratio: z.number(),
  interval: z.tuple([z.number(), z.number()]).readonly(),
  control: z.number(),
  better: z.enum(['higher', 'lower']),
  goal: z.number().nullable(),
  passed: z.boolean(),
  judged: z.enum(['value', 'ratio']),
  /** Absent in rows with one comparison, and in those that were recorded before there were several. */
  further: z.array(Further).readonly().optional(),
  details: z.record(z.string(), z.unknown()),
});

/** A row of a bench with the time, place and command of its measurement. */
export type RecordedRun = z.infer<typeof Run>;

const RecordFile = z.object({ rows: z.record(z.string(), z.array(Run)) });

/** All recorded figures by row, the newest first. The page of benchmarks is made from them. */
export type BenchRecord = z.infer<typeof RecordFile>;

/** Empty when there is no such file. @throws KeymillError when the file is not a record */
export function readRecord(path: string): BenchRecord {
  if (!existsSync(path)) return { rows: {} };
  try {
    return parseJsonAs(RecordFile, readFileSync(path, 'utf8'));
  } catch (error) {
    throw new KeymillError('BAD_RECORD', `${path} is no record of benches: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Replaces the file in one step: a reader sees the whole old or the whole new file. */
export function writeRecord(path: string, record: BenchRecord): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(fresh, path);
}

/** The record with one more run, before the older ones of its row. Pure. */
export function addRun(record: BenchRecord, run: RecordedRun): BenchRecord {
  const runs = [run, ...(record.rows[run.name] ?? [])].slice(0, MAX_RUNS);
  return { rows: { ...record.rows, [run.name]: runs } };
}
