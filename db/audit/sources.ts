import type { KeysDb } from '../keys-db/keys-db.ts';
import type { Keyspace } from '../keyspace/key.ts';
import type { Pool } from '../redis/pool.ts';
import type { UrlsDb } from '../urls/links.ts';

/** Every place where a key can be. */
export interface AuditSources {
  readonly keyspace: Keyspace;
  readonly keysDbs: readonly KeysDb[];
  readonly pools: readonly Pool[];
  readonly urlsDbs: readonly UrlsDb[];
  /** Asks every mapper. Rejects when the list of mappers is not available. */
  readonly reserves: () => Promise<readonly MapperReserve[]>;
}

/** The keys that a mapper holds: in reserve, taken or in flight. Undefined when it did not say. */
export interface MapperReserve {
  readonly mapper: string;
  readonly keys: readonly string[] | undefined;
  /** For a person: why `keys` is undefined. */
  readonly reason?: string;
}
