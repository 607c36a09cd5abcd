import type { KeysDb } from '../keys-db/keys-db.ts';
import type { Keyspace } from '../keyspace/key.ts';
import type { UrlsDb } from '../urls/links.ts';
import type { Pool } from '../redis/pool.ts';

/** Every place where a key can be. */
export interface AuditSources {
  readonly keyspace: Keyspace;
  readonly keysDbs: readonly KeysDb[];
  readonly pools: readonly Pool[];
  readonly urlsDbs: readonly UrlsDb[];
  /** Asks every mapper there is; rejects when it cannot be known which there are. */
  readonly reserves: () => Promise<readonly MapperReserve[]>;
}

/** The keys in a mapper's hands, in reserve, taken or in flight; undefined when it did not answer. */
export interface MapperReserve {
  readonly mapper: string;
  readonly keys: readonly string[] | undefined;
}
