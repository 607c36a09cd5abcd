import { expect } from 'chai';
import type { ImportJob } from '../../../db/accounts/import-job.ts';
import type { ImportJobs } from '../../../db/accounts/import-jobs.ts';
import { ImportService } from '../../../mapper/api/import-service.ts';
import type { Identity } from '../../../mapper/auth/identities.ts';
import { openImportsDb, type ImportsDb } from '../../../db/imports/imports-db.ts';
import { openOwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import { reportOf } from '../../../mapper/import-jobs/job-report.ts';
import { isPassing, JobRun, TakenOverError, whyItWaits } from '../../../mapper/import-jobs/job-run.ts';
import { NoKeysError } from '../../../mapper/keys/key-supply.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../../db/store-errors.ts';
import { formatProgress, type JobOptions, type JobTools } from '../../../mapper/import-jobs/job.ts';
import { LinkReader } from '../../../mapper/import/link-reader.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { OPTIONS as READING } from '../import/reading.ts';
import { createWorld, randomKeys, type World } from '../world.ts';

const SIGNAL = new AbortController().signal;
const OPTIONS: JobOptions = {
  from: 'auto',
  timezone: undefined,
  dateOrder: undefined,
  domain: undefined,
  isRenaming: false,
  onConflict: 'skip',
  isDryRun: false,
};

describe('a job of an import', () => {
  let world: World;
  const servers: { imports: ImportsDb; ownLinks: ReturnType<typeof openOwnLinksDb> }[] = [];
  let users = 0n;

  before(async () => {
    world = await createWorld();
    for (const urlsDb of world.urls)
      servers.push({ imports: openImportsDb(urlsDb), ownLinks: openOwnLinksDb(urlsDb) });
  });
  after(async () => {
    for (const { imports, ownLinks } of servers) await Promise.all([imports.close(), ownLinks.close()]);
    await world[Symbol.asyncDispose]();
  });

  /** A job whose account is there until the test says otherwise, and whose file has these rows. */
  function prepare(rows: string) {
    const bytes = Buffer.from(`url,code\n${rows}`);
    const job: ImportJob = {
      id: '0'.repeat(32),
      userId: (users += 1n),
      createdAt: new Date(),
      options: JSON.stringify(OPTIONS),
      bytes: bytes.length,
      state: 'running',
      progress: null,
      reason: null,
      finishedAt: null,
      fileRemovedAt: null,
    };
    const keys = randomKeys(10);
    const state = {
      isGone: false,
      onTake: (): void => undefined,
      blocked: 'no.example',
      options: job.options,
    };
    const jobs = {
      find: async () => ({ ...job, options: state.options }),
      readPiece: async () => bytes,
      keep: async () => !state.isGone,
    };
    const tools: JobTools = {
      ask: async (work) => work(jobs as unknown as ImportJobs),
      ports: {
        servers: servers.map((server) => ({ ...server, expectForeignCodes: async () => undefined })),
        keys: {
          take: async (count) => {
            state.onTake();
            return keys.slice(0, count);
          },
          putBack: async () => undefined,
        },
        announce: { changed: async () => undefined, appeared: async () => undefined },
        now: monotonicMs,
      },
      createReader: (options, reading) =>
        new LinkReader({
          ...READING,
          ...options,
          ...reading,
          judgeTarget: (url) =>
            url.includes(state.blocked) ? { ok: false, reason: 'is blocked' } : READING.judgeTarget(url),
        }),
    };
    const run = new JobRun({ id: job.id, holder: 'a', job, options: OPTIONS }, tools, SIGNAL);
    return { job, keys, state, tools, run };
  }

  it('makes no link for an account that has gone while it waited for keys', async () => {
    const { keys, state, run } = prepare('https://e.example/,\n');
    state.onTake = () => {
      state.isGone = true;
    };
    const error: unknown = await run.carryOut().catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(TakenOverError);
    expect(await world.rows(keys)).to.deep.equal([]);
  });

  it('reports links as refused that were, also if their domain is not blocked any more', async () => {
    const row = (host: string, code: string): string => `https://${host}/,${code}\n`;
    const rows =
      row('e.example', '') +
      row('bad.example', '') +
      row('bad.example', 'bad-1') +
      row('e.example', 'good-1');
    const { job, state, tools, run } = prepare(rows);
    state.blocked = 'bad.example';
    const { progress } = await run.carryOut();
    expect(progress).to.include({ stored: 2 });
    state.blocked = 'no.example';
    const found: unknown[] = [];
    for await (const outcomes of reportOf({ ...job, progress: formatProgress(progress) }, tools, SIGNAL))
      for (const outcome of outcomes)
        found.push('result' in outcome ? outcome.result : 'reason' in outcome && outcome.reason);
    expect(found).to.deep.equal(['stored', 'bad-target', 'bad-target', 'stored']);
  });

  it('tells its user which store is away, and not what the driver says of it', () => {
    const driver = new Error('connect ECONNREFUSED 10.1.2.3:3306');
    for (const [error, reason] of [
      [new StoreUnavailableError('urls-1', driver.message, driver), 'urls-1 cannot be reached just now.'],
      [new OutcomeUnknownError('urls-1', driver.message, driver), 'A store did not confirm a change.'],
      [new Problem('no-accounts', { cause: driver }), 'The users database cannot be reached just now.'],
      [new NoKeysError(), 'no key pool has a key to give'],
    ] as const) {
      expect(isPassing(error)).to.equal(true);
      expect(whyItWaits(error)).to.equal(reason);
    }
  });

  it('writes its report in pieces, however long its batches are', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `https://e.example/${'x'.repeat(1_900)},long-${i}\n`);
    const { job, state, tools } = prepare(rows.join(''));
    state.options = JSON.stringify({ ...OPTIONS, isDryRun: true });
    const service = new ImportService(tools);
    const { content } = await service.report({ userId: job.userId } as Identity, job.id);
    const pieces: number[] = [];
    for await (const piece of content as AsyncIterable<string>) pieces.push(piece.length);
    expect(pieces.length).to.be.above(5);
    expect(Math.max(...pieces)).to.be.below(66_000);
  });
});
