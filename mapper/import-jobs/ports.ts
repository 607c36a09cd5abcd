import type { ImportsDb } from '../../db/imports/imports-db.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';

/** A urls server, as an import needs it. */
export interface ImportServer {
  readonly imports: ImportsDb;
  readonly ownLinks: Pick<OwnLinksDb, 'find' | 'change'>;
  /** Lets all mappers look up codes that no key of ours could be. Called before one is stored here. */
  readonly expectForeignCodes: () => Promise<void>;
}

/** Gives keys to links that have no code. */
export interface KeySource {
  /** @throws NoKeysError when there are none for a long time; the reason of `signal` */
  take(count: number, signal: AbortSignal): Promise<string[]>;
  /** The keys were not used. Never rejects. */
  putBack(keys: readonly string[]): Promise<void>;
}

/** Tells all mappers what they may remember wrongly. Resolves when they have heard it, or soon. */
export interface Announcements {
  /** These links have changed. */
  changed(keys: readonly string[]): Promise<void>;
  /** Links were made whose keys somebody chose: any of them may be remembered as unknown. */
  appeared(): Promise<void>;
}

/** What an import works with, in a mapper or in a command. */
export interface ImportPorts {
  readonly servers: readonly ImportServer[];
  readonly keys: KeySource;
  readonly announce: Announcements;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What to do with a link whose code is taken. */
export type OnConflict = 'skip' | 'overwrite' | 'error';

/** Which links are stored, and whose they become. */
export interface ImportOrder {
  /** 32 hex digits. */
  readonly importId: string;
  /** null: the links get no owner. */
  readonly ownerId: bigint | null;
  readonly onConflict: OnConflict;
  /** How many batches are bound at the same time, at least 1. */
  readonly batchesAtOnce: number;
  /** How long a server may be away before the import gives up, in ms. */
  readonly patienceMs: number;
  /** Awaited before links are bound. Throws when they must not be. */
  readonly confirm?: () => Promise<void>;
}

/** The server that owns a slot. */
export function serverAt(servers: readonly ImportServer[], slot: number): ImportServer {
  const server = servers.find(({ imports }) => imports.slots.includes(slot));
  if (server === undefined) throw new RangeError(`no urls server owns slot ${slot}`);
  return server;
}
