import { expect } from 'chai';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import { UrlsWrites, type RowKind } from '../../mapper/urls/urls-writes.ts';
import type { Log } from '../../runtime/log.ts';

/** As long as the body of a request lets them be. */
const RULES = {
  targets: Array.from({ length: 8 }, () => ({
    when: { device: ['ios' as const] },
    longUrl: `https://example.com/${'x'.repeat(7_900)}`,
  })),
};
/** What MariaDB takes as one packet by default. Escaping may double the length of a text. */
const MAX_PACKET_BYTES = 16 * 2 ** 20;

describe('INSERTs of links with long rules', () => {
  for (const kind of ['owned', 'bulk'] satisfies RowKind[])
    it(`are no larger than a server takes (${kind})`, async () => {
      const sizes: number[] = [];
      const insert = async (rows: readonly OwnedRow[]): Promise<void> => {
        sizes.push(JSON.stringify(rows.map(({ rules }) => rules)).length);
      };
      const writes = new UrlsWrites({
        db: { name: 'urls' } as UrlsDb,
        ownLinks: { insert, insertMany: insert } as unknown as OwnLinksDb,
        queueLimit: 512,
        onBatch: () => undefined,
        isReadable: () => true,
        now: () => performance.now(),
        log: {} as Log,
      });
      const outcomes = Array.from({ length: 512 }, async (_, at) => {
        const row: OwnedRow = {
          slot: 0,
          key: `key-${at}`,
          requestId: `${at}`,
          longUrl: 'https://example.com/',
          createdAt: new Date(),
          expiresAt: null,
          alias: false,
          userId: 1n,
          title: null,
          tags: [],
          rules: RULES,
        };
        return new Promise((finished, failed) => writes[kind].binder.bind({ row, finished, failed }));
      });
      expect(new Set(await Promise.all(outcomes))).to.deep.equal(new Set(['bound']));
      expect(2 * Math.max(...sizes)).to.be.below(MAX_PACKET_BYTES);
    });
});
