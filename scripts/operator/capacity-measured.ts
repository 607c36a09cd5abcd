import { join } from 'node:path';
import { z } from 'zod';
import { openMysql } from '../../db/mysql/mysql.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { REPOSITORY } from '../cluster/run-dir.ts';
import { readRecord, type BenchRecord } from '../figures/bench-record.ts';
import type { Measured } from './capacity-plan.ts';
import { Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';

/** A figure and its source. */
export interface Sourced {
  readonly value: number | null;
  readonly source: string;
}

export type SourcedFigures = Readonly<
  Record<Exclude<keyof Measured, 'pools' | 'shardsPerProducer'>, Sourced>
>;

/** A table with fewer links is not representative: half of its pages may be empty. */
const LEAST_ROWS = 100_000;

/**
 * The size of the table in MariaDB 10.11's `information_schema` after a bulk insert of 100,000 links with
 * targets of 48 characters: 6,832,128 + 5,783,552 bytes for 100,255 rows. Longer targets add their length,
 * and half-empty pages cost up to twice as much.
 */
const DEFAULT_ROW_BYTES = 126;
/** The memory for each of 115,078 cached links, as the bench `cache-memory` measured it. */
const DEFAULT_CACHE_BYTES = 188;

const RECORD = join(REPOSITORY, 'docs/figures/benchmarks.json');

/**
 * Figures from the recorded benches, and the size of a row from the running cluster if it has enough links.
 */
export async function readMeasured(
  env: Readonly<Record<string, string | undefined>>,
): Promise<SourcedFigures> {
  const record = readRecord(RECORD);
  const ofRow = await rowBytesOfCluster(env);
  return {
    rowBytes: ofRow ?? sizeOf(record, 'rowBytes', DEFAULT_ROW_BYTES),
    cacheBytesPerLink: sizeOf(record, 'cacheBytesPerLink', DEFAULT_CACHE_BYTES),
    shortensPerSecond: valueOf(record, 'shorten'),
    redirectsPerSecond: valueOf(record, 'redirect-zipf'),
    deliveredPerSecond: valueOf(record, 'deliver'),
    generatedPerSecond: valueOf(record, 'generate'),
  };
}

/** The newest recorded figure of a bench. */
export function benchFigure(name: string): Sourced {
  return valueOf(readRecord(RECORD), name);
}

const Decoded = z.object({
  decoded: z.number().positive(),
  decodedSeconds: z.number(),
  msEachSecond: z.object({ beside: z.object({ decoderRanMs: z.number() }) }),
});

/** CPU time for one decoding, in ms: of the decoder in a second ÷ pictures a second. */
export function decodingFigure(record = readRecord(RECORD)): Sourced {
  const run = record.rows['image-decoding']?.[0];
  const details = Decoded.safeParse(run?.details);
  if (run === undefined || !details.success)
    return { value: null, source: 'not measured yet: ./scripts/keymill bench image-decoding' };
  const { decoded, decodedSeconds, msEachSecond } = details.data;
  const value = (msEachSecond.beside.decoderRanMs * decodedSeconds) / decoded;
  return { value, source: `bench image-decoding, ${run.date.slice(0, 10)}` };
}

function valueOf({ rows }: BenchRecord, name: string): Sourced {
  const run = rows[name]?.[0];
  if (run === undefined) return { value: null, source: `not measured yet: ./scripts/keymill bench ${name}` };
  return { value: run.value, source: `bench ${name}, ${run.date.slice(0, 10)}` };
}

/** A size in bytes that the bench `redirect-zipf` recorded beside its figure. */
function sizeOf({ rows }: BenchRecord, detail: string, fallback: number): Sourced {
  const run = rows['redirect-zipf']?.[0];
  const value = run?.details[detail];
  if (run === undefined || typeof value !== 'number')
    return { value: fallback, source: 'default: measured with short targets, docs/capacity.md' };
  return { value, source: `bench redirect-zipf, ${run.date.slice(0, 10)}` };
}

/** The average over all urls servers that answer; undefined without a cluster or with too few links. */
async function rowBytesOfCluster(
  env: Readonly<Record<string, string | undefined>>,
): Promise<Sourced | undefined> {
  const servers = urlsServers(env);
  const inquiry = new Inquiry();
  const sizes = await Promise.all(
    servers.map(async ({ name, url }) => inquiry.ask(name, async () => tableSize(name, url))),
  );
  const [rows, bytes] = sizes.reduce<[number, number]>(
    ([rows, bytes], size) => [rows + (size?.rows ?? 0), bytes + (size?.bytes ?? 0)],
    [0, 0],
  );
  if (rows < LEAST_ROWS) return undefined;
  return {
    value: bytes / rows,
    source: `this cluster's information_schema, ${rows.toLocaleString('en-US')} links`,
  };
}

function urlsServers(
  env: Readonly<Record<string, string | undefined>>,
): readonly { name: string; url: string }[] {
  try {
    return findCluster(env).config.stores.urlsDbs;
  } catch (error) {
    // There is no cluster, so the plan uses the recorded size.
    if (error instanceof UsageError) return [];
    throw error;
  }
}

async function tableSize(name: string, url: string): Promise<{ rows: number; bytes: number } | undefined> {
  const db = openMysql(url, { name, connections: 1 });
  try {
    const sql =
      "SELECT table_rows AS n, data_length + index_length AS bytes FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'urls'";
    const found = await db.query<{ n: number; bytes: number }>(sql);
    const size = found[0];
    return size === undefined ? undefined : { rows: size.n, bytes: size.bytes };
  } finally {
    await db.close();
  }
}
