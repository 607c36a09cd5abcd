import { randomBytes } from 'node:crypto';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openOwnLinksDb, type OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { Caller } from '../../mapper/links/access.ts';
import { OwnLinks, type ChangeResult } from '../../mapper/links/own-links.ts';
import type { OwnLinksServer } from '../../mapper/links/own-links-server.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { emptyUrlsDatabase, LOWER, OpenUrlsDbs, randomKey, UPPER } from '../db/urls-fixture.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';

/** A server of the fixture. A test may open its database through another address. */
export interface TestServer extends OwnLinksServer {
  readonly url: string;
  isUp: () => boolean;
}

/** Two urls servers that share the slots, and the rules of own links over them. */
export interface OwnLinksWorld extends AsyncDisposable {
  readonly servers: readonly TestServer[];
  readonly links: OwnLinks;
  /** The keys that were announced, in their order. */
  readonly heard: string[];
  dbOf(key: string): OwnLinksDb;
  make(...rows: OwnedRow[]): Promise<void>;
}

export const SECRET = 'a secret for tests';
let users = 0n;

/** An owner that no other test has. */
export function newOwner(isAdmin = false): Caller {
  users += 1n;
  return { userId: BigInt(Date.now()) * 4_194_304n + users, isAdmin };
}

export async function createOwnLinksWorld(
  through: (url: string) => string = (url) => url,
): Promise<OwnLinksWorld> {
  const dbs = new OpenUrlsDbs();
  const servers = await Promise.all(
    [LOWER, UPPER].map(async (slots, index): Promise<TestServer> => {
      const url = await emptyUrlsDatabase();
      const name = `urls-${index + 1}`;
      await dbs.open(url, slots, name).verifySlots();
      const db = openOwnLinksDb({ name, url: through(url), slots, timeoutMs: 1_500 });
      return { url, db, isUp: () => true, isWritable: () => true };
    }),
  );
  const heard: string[] = [];
  const dbOf = (key: string): OwnLinksDb =>
    (servers.find(({ db }) => db.slots.includes(slotOf(key))) as TestServer).db;
  return {
    servers,
    heard,
    links: openOwnLinks(servers, heard),
    dbOf,
    make: async (...rows) => {
      await Promise.all(
        Array.from(
          Map.groupBy(rows, ({ key }) => dbOf(key)),
          async ([db, own]) => db.insert(own),
        ),
      );
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([dbs.closeAll(), ...servers.map(async ({ db }) => db.close())]);
    },
  };
}

export function openOwnLinks(servers: readonly OwnLinksServer[], heard: string[] = []): OwnLinks {
  return new OwnLinks({
    servers,
    secret: SECRET,
    slotOf,
    announce: async (key) => {
      heard.push(key);
      return { isHeardByAll: true, othersMayLagMs: 0 };
    },
    announceAll: async (keys) => {
      heard.push(...keys);
      return { isHeardByAll: true, othersMayLagMs: 0 };
    },
    now: monotonicMs,
  });
}

export function ownedRow({ userId }: Caller, fields: Partial<OwnedRow> = {}): OwnedRow {
  const key = fields.key ?? randomKey();
  return {
    longUrl: `https://example.com/${key}`,
    createdAt: new Date(),
    expiresAt: null,
    requestId: randomBytes(16).toString('hex'),
    title: null,
    tags: [],
    rules: {},
    userId,
    ...fields,
    key,
    slot: slotOf(key),
  };
}

/** The link of a change that succeeded. @throws Error when it was refused */
export function changedLink(result: ChangeResult): OwnLink {
  if ('link' in result) return result.link;
  throw new Error(`refused: ${result.refusal.why}`);
}

/** Why a change was refused. */
export function whyRefused(result: ChangeResult): string | undefined {
  return 'refusal' in result ? result.refusal.why : undefined;
}
