import { ALL_SLOTS, formatSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';

/** The number of stores of each kind. The data depends on it, so later starts keep the shape of the first. */
export interface Shape {
  readonly keysDbs: number;
  readonly redis: number;
  readonly zookeepers: number;
  readonly mysqlServers: number;
}

export const DEFAULT_SHAPE: Shape = { keysDbs: 4, redis: 4, zookeepers: 3, mysqlServers: 3 };

/** The shape of `up --small`: keys come by counter, so that no keys-db and no ZooKeeper is needed. */
export const SMALL_SHAPE: Shape = { keysDbs: 0, redis: 1, zookeepers: 0, mysqlServers: 1 };

/** Without ZooKeeper there are neither producers nor keys-dbs. */
export function isSmall({ zookeepers }: Shape): boolean {
  return zookeepers === 0;
}

/** One MariaDB server and its databases. */
export interface MysqlServer {
  readonly name: string;
  /** The slots of its urls database; undefined when it has no such database. */
  readonly slots: string | undefined;
  /** Whether it contains the keys-dbs and the users database. */
  readonly isKeysServer: boolean;
}

/**
 * A single server gets all databases. Of several, the first gets the keys-dbs and users, and the others get
 * equal ranges of slots. Pure, and always the same for the same count: the map of slots to servers never
 * changes under data.
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
  /** Wants {@link SMALL_SHAPE}, and no numbers. */
  readonly small: boolean;
  readonly keysDbs: number | undefined;
  readonly redis: number | undefined;
  readonly zookeepers: number | undefined;
  readonly mysqlServers: number | undefined;
}

interface Existing {
  readonly shape: Shape;
  /** Whether the stores may hold data of this shape. */
  readonly isEstablished: boolean;
}

/**
 * The shape to bring up. Each number is the wanted one, else the existing one, else the default.
 * @throws UsageError when existing data forbids the change
 */
export function resolveShape(wanted: WantedShape, existing: Existing | undefined): Shape {
  if (wanted.small) return smallShape(existing);
  if (existing !== undefined && isSmall(existing.shape)) refuseNumbers(wanted);
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

function smallShape(existing: Existing | undefined): Shape {
  if (existing?.isEstablished === true && !isSmall(existing.shape))
    throw new UsageError('--small: the cluster here is a full one, and its keys are in use. ' + START_AFRESH);
  // One that had grown, and was made small again, has keys-dbs.
  return existing?.isEstablished === true ? existing.shape : SMALL_SHAPE;
}

const NUMBERS = [
  ['keysDbs', '--keys-dbs'],
  ['redis', '--redis'],
  ['zookeepers', '--zookeepers'],
  ['mysqlServers', '--mysql-servers'],
] as const satisfies [keyof Shape, string][];

/** The wanted numbers of servers that are not those of this shape, as options: `--redis 6`. Pure. */
export function otherNumbers(wanted: WantedShape, shape: Shape): string[] {
  return NUMBERS.flatMap(([name, option]) => {
    const number = wanted[name];
    return number === undefined || number === shape[name] ? [] : [`${option} ${number}`];
  });
}

function refuseNumbers(wanted: WantedShape): void {
  const given = NUMBERS.filter(([name]) => wanted[name] !== undefined).map(([, option]) => option);
  if (given.length > 0) throw new UsageError(onSmallCluster(given));
}

/** Why options of full clusters are refused. */
export function onSmallCluster(options: readonly string[]): string {
  return (
    `${options.join(', ')}: the cluster here is a small one, without ZooKeeper and producers. ` +
    'Make a full one of it, with its data: ./scripts/keymill grow'
  );
}

/**
 * While a small cluster grows, `keymill grow` alone adds its parts: mappers that do not know them yet must be
 * restarted before producers use them.
 * @throws UsageError naming the options
 */
export function refuseWhileGrowing(
  { producers, keysDbs, redis }: Pick<WantedShape, 'keysDbs' | 'redis'> & { producers: number | undefined },
  shape: Shape,
): void {
  const given = Object.entries({ '--producers': producers, '--keys-dbs': keysDbs, '--redis': redis })
    .filter(([, number]) => number !== undefined)
    .map(([option]) => option);
  if (!isSmall(shape) && given.length > 0)
    throw new UsageError(
      `${given.join(', ')}: the cluster here is growing. Finish that first: ./scripts/keymill grow --yes`,
    );
}

const START_AFRESH = 'Leave the option out, or start from scratch: ./scripts/down --wipe';

function refusalsOf(shape: Shape, { shape: base, isEstablished }: Existing): string[] {
  const refusals: string[] = [];
  const hasChanged = (option: keyof Shape): boolean => shape[option] !== base[option];
  if (isEstablished && hasChanged('mysqlServers')) {
    refusals.push(
      `--mysql-servers ${shape.mysqlServers}: the data here is on ${base.mysqlServers}, and slots with links are never re-mapped. ` +
        START_AFRESH,
    );
  }
  if (isEstablished && hasChanged('zookeepers')) {
    refusals.push(
      `--zookeepers ${shape.zookeepers}: the ensemble here has ${base.zookeepers} servers, and its size cannot change. ` +
        START_AFRESH,
    );
  }
  if (isEstablished && shape.keysDbs < base.keysDbs) {
    refusals.push(
      `--keys-dbs ${shape.keysDbs}: there are ${base.keysDbs}, and their keys are in use. ${START_AFRESH}`,
    );
  }
  return refusals;
}
