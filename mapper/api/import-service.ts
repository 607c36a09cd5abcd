import { randomBytes } from 'node:crypto';
import type { ImportJob } from '../../db/accounts/import-job.ts';
import { IMPORT_FILES_KEPT_MS, PIECE_BYTES, type ImportList } from '../../db/accounts/import-jobs.ts';
import type { Identity } from '../auth/identities.ts';
import { Places } from '../bulk/places.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { Problem } from '../http/problem.ts';
import {
  formatOptions,
  parseOptions,
  parseProgress,
  type JobOptions,
  type JobTools,
} from '../import-jobs/job.ts';
import { reportOf } from '../import-jobs/job-report.ts';
import { toTold, type Outcome } from '../import/outcome.ts';
import { NDJSON, type ContentReply } from './content.ts';
import { inPieces } from './text-pieces.ts';

/** Of a file. */
const MAX_IMPORT_BYTES = 2 ** 30;

/** An upload holds a piece in memory, and a report reads a whole file. */
const UPLOADS = { all: 8, ofOwner: 2 };
const REPORTS = { all: 4, ofOwner: 1 };
/** The others wait for it, so one user could make all of them wait. */
const MAX_OPEN_JOBS = 5;
/** Of a user, with the files of imports that are over: their reports are written from them. */
const MAX_KEPT_BYTES = 2 ** 31;

/** Files that come at the same time fill the same room. */
const PIECES_BETWEEN_LOOKS = 32;

const NOT_OVER = {
  uploading:
    'This import is still uploaded. It can be removed when it is over; an upload that broke off is over within 6 hours.',
  begun: 'This import is not over yet. Wait until its state is done or failed, and remove it then.',
};

const IS_ID = /^[0-9a-f]{32}$/;

/** An import as the API answers it. */
export interface AnsweredImport {
  readonly id: string;
  readonly state: 'uploading' | 'waiting' | 'running' | 'done' | 'failed';
  readonly created_at: string;
  readonly finished_at: string | null;
  readonly bytes: number;
  readonly from: string;
  readonly on_conflict: 'skip' | 'overwrite' | 'error';
  readonly dry_run: boolean;
  readonly records: number | null;
  readonly done: number;
  readonly stored: number;
  readonly overwritten: number;
  readonly refused: Record<string, number>;
  readonly notes: string[];
  readonly reason: string | null;
  /** Whether its report is kept. */
  readonly has_report: boolean;
}

/** Which of one's imports are listed. */
export interface ListedImports extends Pick<ImportList, 'isOver' | 'before' | 'limit'> {}

/** Takes files of links, and says what becomes of them. Any mapper carries them out. */
export class ImportService {
  readonly #tools: JobTools;
  readonly #uploads = new Places(UPLOADS);
  readonly #reports = new Places(REPORTS);

  readonly #maxBytes: number;
  readonly #maxKeptBytes: number;

  /**
   * @param bounds in bytes
   * @param bounds.file the largest file
   * @param bounds.kept all files of a user
   */
  constructor(tools: JobTools, { file = MAX_IMPORT_BYTES, kept = MAX_KEPT_BYTES } = {}) {
    this.#tools = tools;
    this.#maxBytes = file;
    this.#maxKeptBytes = kept;
  }

  /**
   * Keeps a file, piece by piece.
   * @throws Problem 413 a file that is too large, 503 too many at the same time, or too much is kept already
   */
  async upload({ userId }: Identity, options: JobOptions, { pieces }: BodyStream): Promise<AnsweredImport> {
    const { ask } = this.#tools;
    const release = this.#uploads.take(userId);
    try {
      const open = await ask(async (jobs) => jobs.countOpen(userId));
      if (open >= MAX_OPEN_JOBS)
        throw new Problem('overloaded', { detail: `You have ${open} imports that are not done yet.` });
      await this.#requireRoom(userId, 1);
      const id = randomBytes(16).toString('hex');
      const createdAt = new Date();
      await ask(async (jobs) => jobs.create({ id, userId, createdAt, options: formatOptions(options) }));
      try {
        const bytes = await this.#keep({ id, userId }, pieces);
        if (!(await ask(async (jobs) => jobs.finishUpload(id, bytes)))) throw tooSlow();
      } catch (error) {
        await ask(async (jobs) => jobs.abandon(id, 'the upload broke off')).catch(() => undefined);
        throw error;
      }
      return toAnswer(await this.#find(userId, id));
    } finally {
      release();
    }
  }

  /** Newest first. @returns `next` the last of the page, if there are further ones */
  async list(
    { userId }: Identity,
    wanted: ListedImports,
  ): Promise<{ readonly items: AnsweredImport[]; readonly next: ImportList['before'] }> {
    const limit = wanted.limit + 1;
    const jobs = await this.#tools.ask(async (all) => all.list({ ...wanted, userId, limit }));
    const shown = jobs.slice(0, wanted.limit);
    return { items: shown.map(toAnswer), next: jobs.length < limit ? undefined : shown.at(-1) };
  }

  /** Takes an import that is over from the list, with its report. @throws Problem 404, 409 it is not over */
  async remove({ userId }: Identity, id: string): Promise<void> {
    await this.#find(userId, id);
    if (await this.#tools.ask(async (jobs) => jobs.remove(id, userId))) return;
    // It is not over, or another request has removed it.
    const { state } = await this.#find(userId, id);
    throw new Problem('import-not-over', { detail: NOT_OVER[state === 'uploading' ? state : 'begun'] });
  }

  /** @throws Problem 404 an unknown one, or another's */
  async get({ userId }: Identity, id: string): Promise<AnsweredImport> {
    return toAnswer(await this.#find(userId, id));
  }

  /** What has become of each record so far. @throws Problem 404 also when the report is not kept any more */
  async report({ userId }: Identity, id: string): Promise<ContentReply> {
    const job = await this.#find(userId, id);
    if (!hasReport(job))
      throw new Problem('not-found', {
        detail: 'The report of this import was kept for a week, and is gone.',
      });
    return {
      type: NDJSON,
      content: this.#write(job),
      headers: { 'Content-Disposition': `attachment; filename="import-${id}.ndjson"` },
    };
  }

  async *#write(job: ImportJob): AsyncGenerator<string> {
    const release = this.#reports.take(job.userId);
    const stopping = new AbortController();
    try {
      for await (const outcomes of reportOf(job, this.#tools, stopping.signal))
        for (const lines of inPieces(linesOf(outcomes))) yield lines.join('');
    } finally {
      stopping.abort();
      release();
    }
  }

  /** Until files are a week old, there is only so much room for each user. */
  async #requireRoom(userId: bigint, bytes: number): Promise<void> {
    const kept = await this.#tools.ask(async (jobs) => jobs.sumKept(userId));
    if (kept.bytes + bytes <= this.#maxKeptBytes) return;
    const roomAt = new Date((kept.oldest?.getTime() ?? Date.now()) + IMPORT_FILES_KEPT_MS);
    const seconds = Math.max(60, Math.ceil((roomAt.getTime() - Date.now()) / 1_000));
    throw new Problem('overloaded', {
      detail: `Your files of the last week have ${kept.bytes} bytes, of ${this.#maxKeptBytes} at most. The oldest goes at ${roomAt.toISOString()}.`,
      headers: { 'Retry-After': String(seconds) },
    });
  }

  async #keep(
    { id, userId }: { readonly id: string; readonly userId: bigint },
    pieces: AsyncIterable<Buffer>,
  ): Promise<number> {
    let number = 0;
    let bytes = 0;
    for await (const piece of toFilePieces(pieces)) {
      bytes += piece.length;
      if (bytes > this.#maxBytes)
        throw new Problem('too-large', { detail: `The file must not exceed ${this.#maxBytes} bytes.` });
      if (!(await this.#tools.ask(async (jobs) => jobs.addPiece(id, number, piece)))) throw tooSlow();
      number += 1;
      if (number % PIECES_BETWEEN_LOOKS === 0) await this.#requireRoom(userId, 0);
    }
    if (bytes === 0)
      throw new Problem('incomplete', { detail: 'The body is empty: send the file as the body.' });
    return bytes;
  }

  async #find(userId: bigint, id: string): Promise<ImportJob> {
    const isId = IS_ID.test(id);
    const job = isId ? await this.#tools.ask(async (jobs) => jobs.find(id)) : undefined;
    if (job === undefined || job.userId !== userId)
      throw new Problem('not-found', { detail: 'There is no such import, or it was removed.' });
    return job;
  }
}

/** One at a time: a batch may be far longer than what is sent together. */
function* linesOf(outcomes: readonly Outcome[]): Generator<string> {
  for (const outcome of outcomes) yield `${JSON.stringify(toTold(outcome))}\n`;
}

/** The same bytes in pieces of {@link PIECE_BYTES}, the last one shorter. */
async function* toFilePieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(PIECE_BYTES);
  let length = 0;
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length;) {
      const copied = chunk.copy(piece, length, at);
      at += copied;
      length += copied;
      if (length < PIECE_BYTES) continue;
      yield piece;
      piece = Buffer.allocUnsafe(PIECE_BYTES);
      length = 0;
    }
  if (length > 0) yield piece.subarray(0, length);
}

/** The job of an upload was removed meanwhile. */
function tooSlow(): Problem {
  return new Problem('incomplete', { detail: 'The file came too slowly, or the account was closed.' });
}

/** The report is made from the file. */
function hasReport({ createdAt, fileRemovedAt }: ImportJob): boolean {
  return fileRemovedAt === null && Date.now() < createdAt.getTime() + IMPORT_FILES_KEPT_MS;
}

function toAnswer(job: ImportJob): AnsweredImport {
  const { from, onConflict, isDryRun } = parseOptions(job.options);
  const { records, done, stored, overwritten, summary } = parseProgress(job.progress);
  return {
    id: job.id,
    state: job.state,
    created_at: job.createdAt.toISOString(),
    finished_at: job.finishedAt?.toISOString() ?? null,
    bytes: job.bytes,
    from,
    on_conflict: onConflict,
    dry_run: isDryRun,
    records,
    done,
    stored,
    overwritten,
    refused: { ...summary?.refused },
    notes: [...(summary?.notes ?? [])],
    reason: job.reason,
    has_report: hasReport(job),
  };
}
