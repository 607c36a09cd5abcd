import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { FormatName } from '../../mapper/import/formats/format.ts';
import { LinkReader, type ReadOptions } from '../../mapper/import/link-reader.ts';
import type { Outcome } from '../../mapper/import/outcome.ts';
import type { DateOrder } from '../../mapper/import/read-time.ts';
import { surveyFile, type Survey } from '../../mapper/import-jobs/survey.ts';
import type { BlockedDomains } from '../../mapper/limits/blocked-domains.ts';
import { watchBlockedDomains } from '../../mapper/limits/watch-blocked-domains.ts';
import { ownAddressesOf, parseTargetUrl } from '../../mapper/shorten/target-url.ts';
import { readTargetConfig } from '../../runtime/config/config.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import { startProgressBar, type ProgressBar } from '../../runtime/terminal/progress-bar.ts';
import { note, type Terminal } from '../../runtime/terminal/terminal.ts';

/** How the records of a file are read. */
export interface FileOptions {
  readonly from: FormatName | 'auto';
  readonly timezone?: string;
  readonly dateOrder?: DateOrder;
  readonly domain?: string;
  readonly rename?: string;
}

/** A file of links, which is read several times. */
export interface ImportFile {
  readonly options: Omit<ReadOptions, 'nowMs' | 'judgeTarget'>;
  /**
   * Reads all of it, and shows the progress if it is large.
   * @param onOutcomes undefined: no record is judged
   */
  survey(onOutcomes?: (outcomes: readonly Outcome[]) => Promise<void> | void): Promise<Survey>;
  /** @param nowMs milliseconds since 1970: what counts as now */
  createReader(nowMs: number): LinkReader;
  /** What a reader says of the file. @throws RefusedError when the file has changed since it was opened */
  read(reader: LinkReader): AsyncGenerator<readonly Outcome[]>;
}

/** A smaller file is read before anybody looks at a bar. */
const LARGE_BYTES = 16 * 2 ** 20;

/** What the cluster adds to the judgement of targets. */
export interface Judging {
  /** Of the service, if it is not configured. */
  readonly publicUrl?: string | undefined;
  /** Those that administrators have blocked. Undefined: they are not known. */
  readonly storedDomains: BlockedDomains | undefined;
}

/**
 * @throws UsageError when there is no such file
 */
export async function openImportFile(
  terminal: Terminal,
  path: string,
  { from, timezone, dateOrder, domain, rename }: FileOptions,
  judging: Judging,
): Promise<ImportFile> {
  const opened = await lookAt(path);
  const options = { from, timezone, dateOrder, domain, isRenaming: rename !== undefined };
  const judgeTarget = await createTargetJudge(terminal, judging);
  const createReader = (nowMs: number, isOnlyCounting = false): LinkReader =>
    new LinkReader({ ...options, nowMs, judgeTarget, isOnlyCounting });
  return {
    options,
    createReader,
    survey: async (onOutcomes) => {
      const work = { what: `reading ${path}`, total: opened.size, unit: 'bytes' };
      const bar = opened.size >= LARGE_BYTES ? startProgressBar(terminal, work) : undefined;
      const reader = createReader(Date.now(), onOutcomes === undefined);
      try {
        return await surveyFile(chunksOf(path, bar), reader, onOutcomes ?? (() => undefined));
      } finally {
        bar?.stop();
      }
    },
    read: async function* read(reader) {
      yield* reader.read(createReadStream(path));
      const now = await lookAt(path);
      if (now.size !== opened.size || now.mtimeMs !== opened.mtimeMs)
        throw new RefusedError(`${path} has changed while it was read; start again`);
    },
  };
}

async function* chunksOf(path: string, bar: ProgressBar | undefined): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path);
  for await (const chunk of stream) {
    yield chunk as Uint8Array;
    bar?.update(stream.bytesRead);
  }
}

async function lookAt(path: string): Promise<{ size: number; mtimeMs: number }> {
  const found = await stat(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (!found.isFile()) throw new UsageError(`${path} is not a file`);
  return found;
}

async function createTargetJudge(
  terminal: Terminal,
  { publicUrl: otherwise, storedDomains }: Judging,
): Promise<ReadOptions['judgeTarget']> {
  const { publicUrl = otherwise, allowPrivateTargets, maxUrlBytes } = readTargetConfig(terminal.env);
  if (publicUrl === undefined)
    note(
      terminal,
      'KEYMILL_PUBLIC_URL is not set: targets that point back at the service are not recognised',
    );
  if (storedDomains === undefined)
    note(terminal, 'no users database answers: domains that administrators have blocked are not recognised');
  await using blocked = await watchBlockedDomains({
    path: terminal.env['KEYMILL_BLOCKED_DOMAINS'],
    onChanged: () => undefined,
    log: QUIET_LOG,
  });
  const isBlockedHost = (host: string): boolean =>
    blocked.isBlockedHost(host) || storedDomains?.has(host) === true;
  const own = publicUrl === undefined ? [] : ownAddressesOf(publicUrl, publicUrl);
  const rules = { own, allowPrivateTargets, maxBytes: maxUrlBytes, isBlockedHost };
  return (url) => parseTargetUrl(url, rules);
}
