import type { OwnLink } from '../../db/own-links/own-link.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import { missingScope } from '../auth/accounts.ts';
import type { Identity } from '../auth/identities.ts';
import { isAllowed } from '../auth/scopes.ts';
import { Places } from '../bulk/places.ts';
import { Problem } from '../http/problem.ts';
import { CSV_HEADER, toCsvLine, toNdjsonLine } from '../import/write-links.ts';
import type { OwnLinks, Page } from '../links/own-links.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { NDJSON, type ContentReply } from './content.ts';
import { LinkAnswers } from './link-answers.ts';
import { ask, badCursor } from './link-problems.ts';
import { inPieces } from './text-pieces.ts';

export const EXPORT_FORMATS = ['ndjson', 'csv'] as const;

type Format = (typeof EXPORT_FORMATS)[number];

const WRITERS: Readonly<
  Record<Format, { type: string; header: string; toLine: (link: WholeLink) => string; file: string }>
> = {
  ndjson: { type: NDJSON, header: '', toLine: toNdjsonLine, file: 'links.ndjson' },
  csv: {
    type: 'text/csv; charset=utf-8; header=present',
    header: CSV_HEADER,
    toLine: toCsvLine,
    file: 'links.csv',
  },
};

/** Each reads its lists for minutes. */
const PLACES = { all: 4, ofOwner: 2 };
const PAGE_LINKS = 300;
/** A million links take some minutes, if the client reads them as fast. */
const MAX_MS = 60 * 60_000;
/** A server that is away for a moment does not spoil an export of minutes. */
const MAX_REPEATS = 5;
const REPEAT = { baseMs: 100, maxMs: 1_000 };
const MAX_REST_MS = 1_000;
const AWAY: ReadonlySet<string> = new Set(['store-down', 'no-accounts']);

/** Who wants an export. */
export interface Reader {
  readonly identity: Identity;
  /** Who he is now, asked before each page. @throws Problem 401, 403, 503 */
  readonly identifyAgain: () => Promise<Identity>;
}

/** Reads a page of links. @throws StoreUnavailableError */
type ReadPage = (cursor: string | undefined) => Promise<Page<OwnLink>>;

/** Writes all links of an owner, or of everybody, as a file. */
export class ExportService {
  readonly #own: OwnLinks;
  readonly #answers: LinkAnswers;
  readonly #places = new Places(PLACES);

  /** @param publicUrl origin of short URLs, without a slash at the end */
  constructor(own: OwnLinks, publicUrl: string) {
    this.#own = own;
    this.#answers = new LinkAnswers(own, publicUrl);
  }

  /**
   * The links that are not deleted, in a file that `mapper/import` reads.
   * @param isAll those of everybody and nobody. @throws Problem 403 who is no administrator
   */
  export({ identity, identifyAgain }: Reader, format: Format, isAll: boolean): ContentReply {
    const { userId } = identity;
    const judge = ({ scopes }: Identity): void => {
      if (isAll && !isAllowed(scopes, 'admin')) throw missingScope('admin');
    };
    judge(identity);
    const endsAtMs = monotonicMs() + MAX_MS;
    const { type, file } = WRITERS[format];
    const choice = { state: 'undeleted' } as const;
    const read: ReadPage = async (cursor) => {
      if (monotonicMs() > endsAtMs) throw new Problem('too-slow');
      judge(await identifyAgain());
      const place = { cursor, limit: PAGE_LINKS };
      return isAll ? this.#own.scan(choice, place) : this.#own.list({ ...choice, userId }, place);
    };
    return {
      type,
      content: this.#write(userId, format, read),
      endsAtMs,
      headers: { 'Content-Disposition': `attachment; filename="${file}"` },
    };
  }

  /**
   * One page at a time, each when the client has taken those before. Rests as long as each page takes, so
   * that an export uses at most half of a connection.
   */
  async *#write(userId: bigint, format: Format, read: ReadPage): AsyncGenerator<string> {
    const { header, toLine } = WRITERS[format];
    const release = this.#places.take(userId);
    try {
      let cursor: string | undefined;
      let before = header;
      for (let pages = 0; ; pages += 1) {
        const startedMs = monotonicMs();
        const { links, next } = await this.#read(read, cursor, pages === 0 ? 0 : MAX_REPEATS);
        if (before !== '') yield before;
        before = '';
        for (const lines of inPieces(links.values().map(toLine))) yield lines.join('');
        if (next === null) return;
        cursor = next;
        await pause(Math.min(MAX_REST_MS, monotonicMs() - startedMs));
      }
    } finally {
      release();
    }
  }

  /** @throws Problem 503 */
  async #read(
    read: ReadPage,
    cursor: string | undefined,
    maxRepeats: number,
  ): Promise<{ readonly links: readonly WholeLink[]; readonly next: string | null }> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const page = await ask(async () => read(cursor));
        if ('invalid' in page) throw badCursor();
        return { links: await this.#answers.many(page.items), next: page.nextCursor };
      } catch (error) {
        const isAway = error instanceof Problem && AWAY.has(error.code);
        if (!isAway || attempt >= maxRepeats) throw error;
        await pause(delayFor(attempt, REPEAT));
      }
    }
  }
}
