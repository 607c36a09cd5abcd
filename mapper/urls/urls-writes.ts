import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { Log } from '../../runtime/log.ts';
import { WriteLane } from './write-lane.ts';

/** Rows of plain links that nobody owns, or all others. */
export type RowKind = 'plain' | 'owned';

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
 * The two kinds of rows that a urls server binds: `plain` ones, and `owned` ones, which have an owner or
 * rules.
 *
 * The INSERT of owned rows is a transaction that writes more tables. So plain rows do not wait for it, and
 * what happens to it says nothing about them. An owned row needs all that a plain one needs: while plain rows
 * are not taken, or hang, the same is true of owned ones.
 */
export class UrlsWrites {
  readonly plain: WriteLane;
  readonly owned: WriteLane<OwnedRow>;

  constructor({ db, ownLinks, ...options }: UrlsWritesOptions) {
    this.plain = new WriteLane<LinkRow>({
      ...options,
      store: db,
      what: 'writes',
      prove: async (timeoutMs) => db.proveWriting(timeoutMs),
      hasOtherKeys: true,
      onClosed: () => this.failQueued(),
    });
    this.owned = new WriteLane<OwnedRow>({
      ...options,
      store: {
        name: db.name,
        insert: async (rows, limits) => ownLinks.insert(rows, limits),
        find: async (keys) => db.find(keys),
      },
      what: 'writes of own links',
      prove: async (timeoutMs) => ownLinks.proveWriting(timeoutMs),
      hasOtherKeys: false,
      onClosed: () => this.owned.binder.failQueued(),
      basis: this.plain,
    });
  }

  /** The server went down: fails every row that has not been sent. */
  failQueued(): void {
    this.plain.binder.failQueued();
    this.owned.binder.failQueued();
  }

  /** Resolves when no row waits or is in flight. */
  async idle(): Promise<void> {
    await Promise.all([this.plain.binder.idle(), this.owned.binder.idle()]);
  }
}
