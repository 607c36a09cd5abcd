import { MYSQL_SIZES, SMALL_MYSQL_CONNECTIONS, SMALL_MYSQL_SIZES } from '../cluster/servers.ts';
import { DEFAULT_SHAPE, type Shape } from '../cluster/shape.ts';
import type { Counts } from '../cluster/state.ts';
import { MARIADB_CONNECTIONS } from '../servers/mariadb.ts';
import type { MariadbSize } from './mariadb.ts';

/** What a small cluster grows to. Its one MariaDB server stays: links would have to move to others. */
export const TARGET = { shape: DEFAULT_SHAPE, producers: 3, mappers: 2 } as const;

/** The sizes with which `up` starts MariaDB, as far as they can change while it runs. */
export const MARIADB_SIZES: Readonly<Record<'small' | 'full', MariadbSize>> = {
  small: sizeOf(SMALL_MYSQL_SIZES, SMALL_MYSQL_CONNECTIONS),
  full: sizeOf(MYSQL_SIZES, MARIADB_CONNECTIONS),
};

function sizeOf({ bufferPool, redoLog }: typeof MYSQL_SIZES, connections: number): MariadbSize {
  return { bufferPoolBytes: bytesOf(bufferPool), redoLogBytes: bytesOf(redoLog), connections };
}

/** `64M` in bytes. The server takes such texts as arguments only. */
function bytesOf(size: string): number {
  const unit = { M: 2 ** 20, G: 2 ** 30 }[size.slice(-1)];
  if (unit === undefined) throw new RangeError(`the size ${size} has no unit M or G`);
  return Number(size.slice(0, -1)) * unit;
}

/**
 * The numbers after a step. Those that a person has made larger stay: links have keys of more keys-dbs, and a
 * proxy knows more mappers. Pure.
 */
export function atLeast<T extends Counts | Shape>(present: T, wanted: Partial<T>): T {
  const raised = { ...present, ...wanted };
  for (const name of Object.keys(present) as (keyof T)[])
    if (raised[name] < present[name]) raised[name] = present[name];
  return raised;
}
