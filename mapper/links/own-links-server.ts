import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';

/** A urls server, and whether it is worth asking. */
export interface OwnLinksServer {
  readonly db: OwnLinksDb;
  /** Whether it answers reads. */
  readonly isUp: () => boolean;
  /** Whether it takes changes. */
  readonly isWritable: () => boolean;
}
