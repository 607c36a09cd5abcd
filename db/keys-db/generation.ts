import { codeOf } from '../../runtime/errors.ts';
import { MAX_LENGTH, type Keyspace } from '../keyspace/key.ts';
import { hasLooseEndAt, idsFor } from '../keyspace/loose-ends.ts';
import { findWords } from '../keyspace/reserved.ts';
import type { Mysql } from '../mysql/mysql.ts';
import {
  DuplicateRowError,
  fenced,
  MismatchError,
  OutcomeUnknownError,
  StoreRefusedError,
  StoreUnavailableError,
} from '../store-errors.ts';
import { readOwnership } from './ownership.ts';
import { repeatUntilKnown } from './repeat-until-known.ts';

export interface GenerateRequest {
  /** Keys to add. */
  readonly count: number;
  /** Of the reign that generates. Without it, any reign is accepted (an operator's command). */
  readonly epoch?: number;
  readonly signal?: AbortSignal;
  /** Called after each publication with the keys added so far. */
  readonly onProgress?: (added: number) => void;
}

/** The region whose keys are generated, and its keyspace. */
interface Region {
  readonly keyspace: Keyspace;
  readonly region: number;
}

interface RangeRequest {
  readonly firstId: number;
  readonly count: number;
  /** At most this many INSERTs. */
  readonly inserts: number;
  readonly signal: AbortSignal | undefined;
}

interface Chunk {
  readonly lastId: number;
  /** `(id,'key'),…` */
  readonly values: string;
  readonly size: number;
  /** Ids whose key spells a word. Ids whose key has a loose end are not listed. */
  readonly gaps: readonly number[];
}

const KEYS_PER_INSERT = 5_000;
/** More ids than keys are expected of, so that nearly every INSERT is full. The spare ones start the next. */
const SPARE_IDS = 64;
const INSERTS_PER_PUBLICATION = 20;
/** INSERTs in flight at the same time: with one, only one of the server's cores would be busy. */
const CONCURRENT_INSERTS = 2;
/** Attempts for a chunk that meets the locks of another generator. */
const LOCK_ATTEMPTS = 5;
const TIMEOUT_MS = 60_000;

/**
 * Inserts keys above `generated_to`, then publishes them by moving `generated_to`. Claims never pass it. Rows
 * above it were left by a generator that died. They equal the rows to insert, because a key is a pure
 * function of its region and id.
 *
 * @returns the new `generated_to`
 * @throws FencedError; StoreRefusedError when the region is full; MismatchError when other keys exist above
 * `generated_to`; the signal's reason
 */
export async function generate(db: Mysql, region: Region, request: GenerateRequest): Promise<number> {
  let { epoch, generatedTo } = await readOwnership(db);
  let added = 0;
  let inserts = INSERTS_PER_PUBLICATION;
  while (added < request.count) {
    request.signal?.throwIfAborted();
    if (request.epoch !== undefined && request.epoch !== epoch) throw fenced(db, request.epoch);
    const range = await insertRange(db, region, {
      firstId: generatedTo + 1,
      count: request.count - added,
      inserts,
      signal: request.signal,
    });
    if (await publish(db, { epoch, from: generatedTo, to: range.lastId })) {
      generatedTo = range.lastId;
      added += range.size;
      inserts = Math.min(INSERTS_PER_PUBLICATION, 2 * inserts);
      request.onProgress?.(added);
    } else {
      // Another generator has published, or another reign has begun: read again and continue from there, with
      // one INSERT at first. Otherwise a generator that publishes more often would overtake every long range.
      inserts = 1;
      ({ epoch, generatedTo } = await readOwnership(db));
    }
  }
  return generatedTo;
}

/**
 * Inserts up to `inserts` chunks. All have succeeded when it returns, so a published range has no holes. A
 * failure leaves rows with holes above `generated_to`.
 */
async function insertRange(
  db: Mysql,
  region: Region,
  { firstId, count, inserts, signal }: RangeRequest,
): Promise<{ lastId: number; size: number }> {
  const { keyspace } = region;
  if (firstId > keyspace.maxId) {
    throw new StoreRefusedError(db.name, `all ${keyspace.maxId} keys of its region have been generated`);
  }
  let size = 0;
  let lastId = firstId - 1;
  const gaps: number[] = [];
  const inFlight: Promise<void>[] = Array.from({ length: CONCURRENT_INSERTS }, () => Promise.resolve());
  for (let i = 0; i < inserts && size < count && lastId < keyspace.maxId; i += 1) {
    if (signal?.aborted) break;
    const chunk = makeChunk(region, lastId + 1, Math.min(KEYS_PER_INSERT, count - size));
    await inFlight[i % CONCURRENT_INSERTS];
    const inserting = insertChunk(db, lastId + 1, chunk);
    // A later iteration awaits it. Until then a failure must not count as unhandled.
    inserting.catch(() => undefined);
    inFlight[i % CONCURRENT_INSERTS] = inserting;
    size += chunk.size;
    lastId = chunk.lastId;
    gaps.push(...chunk.gaps);
  }
  await Promise.all(inFlight);
  await recordGaps(db, gaps);
  return { lastId, size };
}

/** The next `count` keys. Fewer when too many of the ids are gaps, and at the end of the region. */
function makeChunk({ keyspace, region }: Region, firstId: number, count: number): Chunk {
  const ids = Math.min(idsFor(count) + SPARE_IDS, keyspace.maxId - firstId + 1);
  const keys = keyspace.bytesOf(region, firstId, ids);
  const words = findWords(keys.toString('latin1'), keyspace.length);
  const gaps: number[] = [];
  let word = 0;
  let size = 0;
  let at = 0;
  let i = 0;
  for (; i < ids && size < count; i += 1) {
    const start = i * (keyspace.length + 1);
    const isWord = i === words[word];
    if (isWord) word += 1;
    if (hasLooseEndAt(keys, start, keyspace.length)) continue;
    if (isWord) {
      gaps.push(firstId + i);
      continue;
    }
    at = writeRow(at, firstId + i, keys, start, keyspace.length);
    size += 1;
  }
  return { lastId: firstId + i - 1, values: scratch.toString('latin1', 0, at), size, gaps };
}

/** Characters of `(1125899906842623,'0123456789'),` without the key. */
const MAX_ROW_OVERHEAD = 22;
/**
 * Shared by all INSERTs, because thousands of such buffers would fragment the process's memory. Copied into a
 * string before the next use.
 */
const scratch = Buffer.allocUnsafeSlow(KEYS_PER_INSERT * (MAX_LENGTH + MAX_ROW_OVERHEAD));
const OPEN = 0x28;
const CLOSE = 0x29;
const QUOTE = 0x27;
const COMMA = 0x2c;
const ZERO = 0x30;

/**
 * `(id,'key')` behind the rows before it, byte by byte: a string for each key would double the memory of the
 * process.
 */
function writeRow(end: number, id: number, keys: Buffer, start: number, length: number): number {
  let at = end;
  if (at > 0) scratch[at++] = COMMA;
  scratch[at++] = OPEN;
  at = writeNumber(scratch, at, id);
  scratch[at++] = COMMA;
  scratch[at++] = QUOTE;
  for (let c = 0; c < length; c += 1) scratch[at++] = keys[start + c] ?? 0;
  scratch[at++] = QUOTE;
  scratch[at++] = CLOSE;
  return at;
}

function writeNumber(bytes: Buffer, at: number, number: number): number {
  let digits = 1;
  for (let power = 10; power <= number; power *= 10) digits += 1;
  let rest = number;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    const quotient = Math.floor(rest / 10);
    bytes[i] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  return at + digits;
}

async function insertChunk(db: Mysql, firstId: number, chunk: Chunk): Promise<void> {
  if (chunk.size === 0) return;
  const insert = `INSERT INTO \`keys\` (id, unique_id) VALUES ${chunk.values}`;
  try {
    await db.execute(insert, [], { timeoutMs: TIMEOUT_MS });
    return;
  } catch (error) {
    if (!mayExistAlready(error)) throw error;
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      await completeChunk(db, firstId, chunk, insert);
      return;
    } catch (error) {
      if (!mayExistAlready(error) || attempt === LOCK_ATTEMPTS) throw error;
    }
  }
}

/** Whether rows exist, may exist, or are being inserted by another generator. */
function mayExistAlready(error: unknown): boolean {
  if (error instanceof DuplicateRowError || error instanceof OutcomeUnknownError) return true;
  return error instanceof StoreUnavailableError && codeOf(error.cause).startsWith('ER_LOCK_');
}

/** The rows of the keys without a loose end: an earlier release may have left others above the mark. */
const COUNT_ROWS =
  "SELECT COUNT(*) FROM `keys` WHERE id BETWEEN ? AND ? AND unique_id NOT REGEXP '^[-_]|[-_]$'";

/** Inserts the rows of a chunk that do not exist yet, and checks that the range is complete. */
async function completeChunk(db: Mysql, firstId: number, chunk: Chunk, insert: string): Promise<void> {
  const options = { timeoutMs: TIMEOUT_MS };
  await repeatUntilKnown(() =>
    db.execute(`${insert} ON DUPLICATE KEY UPDATE \`keys\`.id = \`keys\`.id`, [], options),
  );
  const [row] = await db.queryArrays<[number]>(COUNT_ROWS, [firstId, chunk.lastId], options);
  if (row?.[0] === chunk.size) return;
  throw new MismatchError(
    db.name,
    `ids ${firstId} to ${chunk.lastId} hold ${row?.[0]} keys instead of ${chunk.size}: were they made with another secret?`,
  );
}

async function recordGaps(db: Mysql, gaps: readonly number[]): Promise<void> {
  if (gaps.length === 0) return;
  const rows = gaps.map((id) => `(${id})`).join(',');
  await repeatUntilKnown(() =>
    db.execute(`INSERT INTO gaps (id) VALUES ${rows} ON DUPLICATE KEY UPDATE gaps.id = gaps.id`),
  );
}

/** @returns false when another generator or another reign was first */
async function publish(
  db: Mysql,
  { epoch, from, to }: { epoch: number; from: number; to: number },
): Promise<boolean> {
  let attempts = 0;
  const { affectedRows } = await repeatUntilKnown(() => {
    attempts += 1;
    const sql = 'UPDATE ownership SET generated_to = ? WHERE id = 1 AND epoch = ? AND generated_to = ?';
    return db.execute(sql, [to, epoch, from]);
  });
  if (affectedRows === 1) return true;
  // An earlier attempt, whose answer was lost, may have published it.
  return attempts > 1 && (await readOwnership(db)).generatedTo === to;
}
