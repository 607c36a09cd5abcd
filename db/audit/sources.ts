import type { CounterMarks } from '../counter/counter-marks.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import type { IdRange, Keyspace } from '../keyspace/key.ts';
import type { Pool } from '../redis/pool.ts';
import type { UrlsDb } from '../urls/links.ts';

/** Every place where a key can be. */
export interface AuditSources {
  readonly keyspace: Keyspace;
  readonly keysDbs: readonly KeysDb[];
  readonly pools: readonly Pool[];
  readonly urlsDbs: readonly UrlsDb[];
  /** Undefined: no key is given out by counter. */
  readonly counter?: CounterMark | undefined;
  /** Asks every mapper. Rejects when the list of mappers is not available. */
  readonly reserves: () => Promise<readonly MapperReserve[]>;
}

/** How far keys were given out by counter. */
export interface CounterMark {
  readonly region: number;
  readonly marks: Pick<CounterMarks, 'name' | 'read'>;
}

/** The keys that a mapper holds: in reserve, taken or in flight. Undefined when it did not say. */
export interface MapperReserve {
  readonly mapper: string;
  readonly keys: readonly string[] | undefined;
  /** Ids whose keys it holds as well. */
  readonly ranges?: readonly IdRange[];
  /** For a person: why `keys` is undefined. */
  readonly reason?: string;
}
