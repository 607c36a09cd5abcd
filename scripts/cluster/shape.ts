import { ALL_SLOTS, formatSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';

/** How many of what keeps data. The data depends on it, so it stays as the first run made it. */
export interface Shape {
  readonly keysDbs: number;
  readonly redis: number;
  readonly zookeepers: number;
  readonly mysqlServers: number;
}

export const DEFAULT_SHAPE: Shape = { keysDbs: 4, redis: 4, zookeepers: 3, mysqlServers: 3 };

/** One MariaDB server and the databases that live on it. */
export interface MysqlServer {
  readonly name: string;
  /** The slots of its urls database; undefined when it has none. */
  readonly slots: string | undefined;
  /** Does it hold the keys-dbs and users? */
  readonly isKeysServer: boolean;
}

/**
 * One server takes everything; of several the first has the keys-dbs and users, and the others share the slots in even ranges.
 * Pure, and the same for the same count: the map of slots to servers never changes under data.
 */
export function mysqlServersOf(count: number): MysqlServer[] {
  const all = formatSlots(ALL_SLOTS);
  if (count === 1) return [{ name: 'mysql-1', slots: all, isKeysServer: true }];
  const urlsServers = count - 1;
  return [
    { name: 'mysql-keys', slots: undefined, isKeysServer: true },
    ...Array.from({ length: urlsServers }, (_, index) => {
      const first = Math.floor((index * SLOT_COUNT) / urlsServers);
      const end = Math.floor(((index + 1) * SLOT_COUNT) / urlsServers);
      const slots = formatSlots(ALL_SLOTS.slice(first, end));
      return { name: `urls-${index + 1}`, slots, isKeysServer: false };
    }),
  ];
}

export interface WantedShape {
  readonly keysDbs: number | undefined;
  readonly redis: number | undefined;
  readonly zookeepers: number | undefined;
  readonly mysqlServers: number | undefined;
}

interface Existing {
  readonly shape: Shape;
  /** Do stores hold data of this shape? */
  readonly isEstablished: boolean;
}

/**
 * The shape to bring up: what is asked for, else what there is, else the default.
 * @throws UsageError when data forbids the change
 */
export function resolveShape(wanted: WantedShape, existing: Existing | undefined): Shape {
  const base = existing?.shape ?? DEFAULT_SHAPE;
  const shape: Shape = {
    keysDbs: wanted.keysDbs ?? base.keysDbs,
    redis: wanted.redis ?? base.redis,
    zookeepers: wanted.zookeepers ?? base.zookeepers,
    mysqlServers: wanted.mysqlServers ?? base.mysqlServers,
  };
  if (existing === undefined) return shape;
  const refusals = refusalsOf(shape, existing);
  if (refusals.length > 0) throw new UsageError(refusals.join('\n'));
  return shape;
}

function refusalsOf(shape: Shape, { shape: base, isEstablished }: Existing): string[] {
  const refusals: string[] = [];
  const change = (option: keyof Shape): boolean => shape[option] !== base[option];
  if (isEstablished && change('mysqlServers')) {
    refusals.push(
      `--mysql-servers ${shape.mysqlServers}: the data here lives on ${base.mysqlServers}, and slots that hold links are never re-mapped. ` +
        `Leave the option away, or begin anew: ./scripts/down --wipe`,
    );
  }
  if (isEstablished && change('zookeepers')) {
    refusals.push(
      `--zookeepers ${shape.zookeepers}: the ensemble here has ${base.zookeepers} servers, and its data does not move to another size. ` +
        `Leave the option away, or begin anew: ./scripts/down --wipe`,
    );
  }
  if (isEstablished && shape.keysDbs < base.keysDbs) {
    refusals.push(
      `--keys-dbs ${shape.keysDbs}: there are ${base.keysDbs}, and their keys are in use. Add more, or begin anew: ./scripts/down --wipe`,
    );
  }
  return refusals;
}
