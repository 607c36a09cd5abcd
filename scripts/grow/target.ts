import { DEFAULT_SHAPE } from '../cluster/shape.ts';
import type { MariadbSize } from './mariadb.ts';

/** What a small cluster grows to. Its one MariaDB server stays: links would have to move to others. */
export const TARGET = { shape: DEFAULT_SHAPE, producers: 3, mappers: 2 } as const;

/** The sizes with which `up` starts MariaDB, as far as they can change while it runs. */
export const MARIADB_SIZES: Readonly<Record<'small' | 'full', MariadbSize>> = {
  small: { bufferPoolBytes: 64 * 2 ** 20, connections: 100 },
  full: { bufferPoolBytes: 2 ** 30, connections: 1_000 },
};
