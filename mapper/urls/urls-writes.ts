import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { fitPrepared } from '../../db/urls/link-writer.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import type { LinkRules } from '../../db/urls/link-rules.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { Log } from '../../runtime/log.ts';
import { WriteLane } from './write-lane.ts';

/** Rows of plain links that nobody owns, all others, or those of many links at a time. */
export const ROW_KINDS = ['plain', 'owned', 'bulk'] as const;
export type RowKind = (typeof ROW_KINDS)[number];

/** Links of bulks that one process may have under way at the same time. The callers admit no more. */
export const MAX_BULK_ROWS = 768;
/** Bulks do not make other links wait long: one INSERT of keys at a time, and one of aliases. */
const BULK_ALIASES = { rows: 128, inFlight: 1 };

export interface UrlsWritesOptions {
  readonly db: UrlsDb;
  readonly ownLinks: OwnLinksDb;
  readonly queueLimit: number;
  readonly onBatch: (rows: number) => void;
  /** Whether the server answers reads. While it does not, no row is bound there. */
  readonly isReadable: () => boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/**
 * The kinds of rows that a urls server binds: `plain` ones, `owned` ones, which have an owner or rules, and
 * those of `bulk`.
 *
 * The INSERT of owned rows is a transaction that writes more tables. So plain rows do not wait for it, and
 * what happens to it says nothing about them. An owned row needs all that a plain one needs: while plain rows
 * are not taken, or hang, the same is true of owned ones.
 *
 * Rows of bulks have an owner too. They have a lane and a connection of their own, because single links would
 * wait behind their large INSERTs.
 */
export class UrlsWrites {
  readonly plain: WriteLane;
  readonly owned: WriteLane<OwnedRow>;
  readonly bulk: WriteLane<OwnedRow>;

  constructor({ db, ownLinks, ...options }: UrlsWritesOptions) {
    this.plain = new WriteLane<LinkRow>({
      ...options,
      store: db,
      what: 'writes',
      prove: async (timeoutMs) => db.proveWriting(timeoutMs),
      hasOtherKeys: true,
      fit: fitPrepared,
      onClosed: () => this.failQueued(),
    });
    const ofOwners = {
      ...options,
      prove: async (timeoutMs: number) => ownLinks.proveWriting(timeoutMs),
      hasOtherKeys: false,
    };
    const find = async (keys: readonly string[]) => db.find(keys);
    this.owned = new WriteLane<OwnedRow>({
      ...ofOwners,
      store: { name: db.name, insert: async (rows, limits) => ownLinks.insert(rows, limits), find },
      what: 'writes of own links',
      bytesOf: bytesOfRow,
      onClosed: () => {
        this.owned.binder.failQueued();
        this.bulk.binder.failQueued();
      },
      basis: this.plain,
    });
    this.bulk = new WriteLane<OwnedRow>({
      ...ofOwners,
      queueLimit: MAX_BULK_ROWS,
      store: { name: db.name, insert: async (rows, limits) => ownLinks.insertMany(rows, limits), find },
      what: 'writes of many links',
      onClosed: () => this.bulk.binder.failQueued(),
      basis: this.owned,
      aliases: BULK_ALIASES,
      bytesOf: bytesOfRow,
    });
  }

  /** The server went down: fails every row that has not been sent. */
  failQueued(): void {
    this.plain.binder.failQueued();
    this.owned.binder.failQueued();
    this.bulk.binder.failQueued();
  }

  /** Resolves when no row waits or is in flight. */
  async idle(): Promise<void> {
    await Promise.all([this.plain, this.owned, this.bulk].map(async ({ binder }) => binder.idle()));
  }
}

/**
 * Some 200 bytes, and the texts that may be long. A plain row has 8 kB at most (`KEYMILL_MAX_URL_BYTES`), so
 * an INSERT of them has 2 MiB, and they are not counted.
 */
function bytesOfRow({ longUrl, title, tags, rules }: OwnedRow): number {
  const texts = longUrl.length + 4 * (title?.length ?? 0) + 100 * tags.length;
  return 200 + texts + bytesOfRules(rules);
}

/** Only two rules may be long. Most links have neither. */
function bytesOfRules({ targets, expiredUrl }: LinkRules): number {
  const targetBytes = targets === undefined ? 0 : JSON.stringify(targets).length;
  return 300 + targetBytes + (expiredUrl?.length ?? 0);
}
