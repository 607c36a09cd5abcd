import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json.ts';

/** Runs to keep of each row. Older ones are dropped. */
const MAX_RUNS = 30;

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
  details: z.record(z.string(), z.unknown()),
});

/** The result of a bench row, with the date, commit, machine and command of the measurement. */
export type RecordedRun = z.infer<typeof Run>;

const RecordFile = z.object({ rows: z.record(z.string(), z.array(Run)) });

/** The recorded figures by row, newest first. docs/benchmarks.md is made from them. */
export type BenchRecord = z.infer<typeof RecordFile>;

/** Reads a record; empty without such a file. @throws KeymillError when the file is not a record */
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

/** Replaces the file atomically: a reader sees the old record or the new one. */
export function writeRecord(path: string, record: BenchRecord): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(fresh, path);
}

/** A copy of the record with one more run, before the older ones of its row. Pure. */
export function addRun(record: BenchRecord, run: RecordedRun): BenchRecord {
  const runs = [run, ...(record.rows[run.name] ?? [])].slice(0, MAX_RUNS);
  return { rows: { ...record.rows, [run.name]: runs } };
}
