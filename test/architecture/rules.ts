import { findCircles, findWay, graphOf } from '../../scripts/checks/graph.ts';
import { functionsOf } from '../../scripts/checks/house.ts';
import { folderOf, roomOf, withoutComments, type SourceFile } from '../../scripts/checks/sources.ts';

/** A rule of the architecture: the violations that it finds, each with the file that is at fault. Pure. */
type Rule = (product: readonly SourceFile[]) => string[];

/** Which top-level folders a folder may import from, besides itself. */
export const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  coordinator: ['runtime'],
  db: ['runtime'],
  producer: ['coordinator', 'db', 'runtime'],
  mapper: ['coordinator', 'db', 'runtime'],
  scripts: ['producer', 'mapper', 'coordinator', 'db', 'runtime'],
  drills: ['scripts', 'producer', 'mapper', 'coordinator', 'db', 'runtime'],
  bench: ['scripts', 'producer', 'mapper', 'coordinator', 'db', 'runtime'],
};

/** Which rooms of `scripts/` the programs above it may import. */
const OF_SCRIPTS = ['cluster', 'servers', 'figures'];

/**
 * Which rooms of its own folder a room may import. The files of a folder that are not listed here are its
 * wiring files: they may import all of its rooms.
 */
export const ROOMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  mapper: {
    http: [],
    cache: [],
    urls: [],
    processes: [],
    metrics: [],
    keys: ['urls'],
    clicks: ['urls', 'metrics'],
    // They know the stores only.
    jobs: [],
    links: ['cache', 'urls'],
    visits: ['urls'],
    reservations: ['cache', 'keys', 'links', 'urls'],
    repeats: ['http', 'links', 'reservations', 'shorten'],
    redirect: ['http', 'cache', 'urls', 'clicks', 'metrics'],
    following: ['cache', 'http', 'redirect'],
    dimensions: ['clicks', 'following', 'http'],
    gates: ['cache', 'following', 'http', 'redirect', 'visits'],
    shorten: ['http', 'cache', 'urls', 'keys', 'metrics'],
    statistics: [],
    auth: ['http'],
    // Many links in one request. It makes them with what single links are made with, for which nobody else
    // waits.
    bulk: ['cache', 'http', 'keys', 'shorten', 'urls'],
    api: [
      'auth',
      'bulk',
      'http',
      'images',
      'import',
      'import-jobs',
      'links',
      'live',
      'orphans',
      'pictures',
      'qr',
      'shorten',
      'statistics',
      'webhooks',
    ],
    // Pages for people do what the API does.
    pages: ['api', 'auth', 'http', 'qr'],
    'link-pages': ['api', 'charts', 'http', 'import', 'pages', 'shorten', 'statistics'],
    // It hears of clicks. The counter does not know who listens.
    live: ['clicks'],
    orphans: ['urls'],
    limits: ['http', 'metrics'],
    events: ['jobs', 'shorten'],
    webhooks: ['http', 'shorten'],
    import: ['shorten'],
    'import-jobs': ['import', 'keys'],
    qr: [],
    // Drawings of numbers, as pieces of pages.
    charts: ['http'],
    // What is in a file that somebody posts.
    pictures: ['http'],
    images: ['cache', 'http', 'jobs', 'links', 'pictures', 'reservations', 'shorten'],
    views: ['cache', 'clicks', 'http', 'metrics', 'pictures', 'redirect'],
  },
  db: {
    'store-errors': [],
    keyspace: [],
    mysql: ['store-errors'],
    blobs: ['store-errors'],
    redis: ['store-errors'],
    accounts: ['mysql', 'store-errors'],
    migrations: ['mysql'],
    urls: ['keyspace', 'mysql', 'outbox', 'store-errors'],
    clicks: ['keyspace', 'mysql', 'store-errors'],
    jobs: ['mysql'],
    'own-links': ['keyspace', 'mysql', 'outbox', 'store-errors', 'urls'],
    reservations: ['keyspace', 'mysql', 'store-errors', 'urls'],
    outbox: ['mysql', 'store-errors'],
    imports: ['keyspace', 'mysql', 'outbox', 'own-links', 'store-errors', 'urls'],
    'keys-db': ['keyspace', 'mysql', 'store-errors'],
    // Keys without a keys-db: a counter on Redis proposes ids, and its mark in the users database decides.
    counter: ['keyspace', 'mysql', 'redis', 'store-errors'],
    audit: ['counter', 'keyspace', 'keys-db', 'redis', 'urls'],
    // What a person looks at: status and the dashboards.
    overview: ['counter', 'keys-db', 'keyspace', 'redis', 'store-errors'],
  },
  producer: {
    bell: [],
    processes: [],
    reachability: [],
    stores: [],
    pools: ['bell'],
    metrics: ['pools'],
    supervisor: ['processes'],
    reign: ['bell', 'metrics', 'pools'],
    session: ['bell', 'metrics', 'pools', 'reachability', 'reign', 'stores'],
  },
  drills: {
    history: [],
    proxy: [],
    report: [],
    cluster: ['proxy'],
    load: ['history'],
    watch: ['cluster', 'history'],
    check: ['cluster', 'history', 'load', 'report'],
    run: ['cluster', 'history', 'load', 'proxy', 'watch'],
    faults: ['cluster', 'proxy', 'run', 'watch'],
    catalogue: ['faults', 'run'],
    'goal-sentences': ['check'],
    page: ['check', 'cluster', 'goal-sentences', 'report', 'run'],
    figures: ['catalogue', 'page', 'report'],
  },
  bench: {
    record: [],
    method: [],
    servers: ['method'],
    load: ['method', 'servers'],
    cache: ['load'],
    world: ['load', 'method', 'servers'],
    rows: ['cache', 'load', 'method', 'servers', 'world'],
    against: ['load', 'method', 'record', 'rows', 'servers', 'world'],
  },
};

/** The one file that may import each driver. A bench measures the bare MySQL driver beside it. */
const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  'node-zookeeper-client': ['coordinator/transport.ts'],
  ioredis: ['db/redis/redis.ts'],
  mysql2: ['db/mysql/driver.ts', 'bench/load/raw-mysql-main.ts'],
  knex: ['db/mysql/migrate.ts'],
  '@aws-sdk/client-s3': ['db/blobs/s3-store.ts'],
  sharp: ['mapper/pictures/decoder-main.ts'],
};

/** Texts that outsiders rely on. Each may occur in one file only. */
const HOMES: readonly (readonly [what: RegExp, home: string])[] = [
  [/['"`]\/(shard-locks|producers|mappers|keymill)\b/, 'coordinator/paths.ts'],
  [
    /['"`](keys:available|producer:|keymill:invalidate|keymill:hear|incarnation['"`])/,
    'db/redis/redis-keys.ts',
  ],
  [/\bprocess\.env\b/, 'runtime/config/env.ts'],
];

/** Whether a file runs in a producer or a mapper. The other files are programs that a person runs. */
function isServed({ path }: SourceFile): boolean {
  return !['scripts', 'drills', 'bench'].includes(folderOf(path));
}

/** Imports between folders only point down; producer and mapper never import each other. */
const foldersPointDown: Rule = (product) =>
  importsOf(product).flatMap(({ path, file }) => {
    const [from, to] = [folderOf(path), folderOf(file)];
    return from === to || FOLDERS[from]?.includes(to) === true ? [] : [`${path} → ${file}`];
  });

/** Drills and benches use the servers and clusters of `scripts/`, not the commands of an operator. */
const programsUseServersOnly: Rule = (product) =>
  importsOf(product)
    .filter(({ path, file }) => ['drills', 'bench'].includes(folderOf(path)) && folderOf(file) === 'scripts')
    .filter(({ file }) => !OF_SCRIPTS.includes(roomOf(file)))
    .map(({ path, file }) => `${path} → ${file}`);

/** Inside a folder, each room imports only the rooms that it may know. */
const roomsKnowTheirRooms: Rule = (product) =>
  importsOf(product).flatMap(({ path, file }) => {
    const folder = folderOf(path);
    const allowed = ROOMS[folder]?.[roomOf(path)];
    if (folder !== folderOf(file) || allowed === undefined) return [];
    return roomOf(path) === roomOf(file) || allowed.includes(roomOf(file)) ? [] : [`${path} → ${file}`];
  });

/** No file imports itself, directly or through other files. Imports of types count. */
const filesHaveNoCircle: Rule = (product) =>
  findCircles(graphOf(product)).map((circle) => circle.join(' → '));

/** No room of a folder imports itself through other rooms. */
const roomsHaveNoCircle: Rule = (product) =>
  [...Map.groupBy(product, ({ path }) => folderOf(path))].flatMap(([folder, files]) =>
    findCircles(graphOf(files, roomOf)).map((circle) => `${folder}: ${circle.join(' → ')}`),
  );

/** The entry points of mappers. */
export const MAPPER_ENTRIES = ['mapper/main.ts', 'mapper/process-main.ts'];

/**
 * What mappers load when somebody asks for it, never with their own files: the client of ZooKeeper (4 MB),
 * Koa (5 MB), the API with the pages (12 MB), the dashboard (2 MB), the client of S3, and what decodes
 * pictures.
 */
export const LOADED_WHEN_ASKED = [
  'coordinator/transport.ts',
  'mapper/http/app.ts',
  'mapper/api/endpoints.ts',
  'mapper/open-pages.ts',
  'runtime/dashboard/dashboard.ts',
  'db/blobs/s3-store.ts',
  'mapper/pictures/decoder-main.ts',
];

/** A mapper starts with what all requests need. */
const mappersStartSmall: Rule = (product) => {
  const graph = graphOf(product.map(({ path, loads }) => ({ path, imports: loads })));
  return MAPPER_ENTRIES.flatMap((entry) =>
    LOADED_WHEN_ASKED.flatMap((cold) => findWay(graph, entry, cold)?.join(' → ') ?? []),
  );
};

/** Each driver is imported in one place. */
const driversHaveOneHome: Rule = (product) =>
  product.flatMap(({ path, packages }) =>
    packages
      .filter((name) => DRIVERS[name]?.includes(path) === false)
      .map((name) => `${path} imports ${name}`),
  );

/** Znode paths, Redis key names and the environment are each read or written in one file. */
const factsHaveOneHome: Rule = (product) =>
  product
    .filter(isServed)
    .flatMap(({ path, text }) =>
      HOMES.filter(([what, home]) => path !== home && what.test(withoutComments(text))).map(
        ([what]) => `${path} contains ${what.source}`,
      ),
    );

/** No `any`, no comment that switches off a check of types, no default export. */
const typesHaveNoHoles: Rule = (product) =>
  product.flatMap(({ path, text }) =>
    [
      ...withoutComments(text).matchAll(/: any\b|<any>|@ts-(?:ignore|nocheck|expect-error)|export default/g),
    ].map(([hole]) => `${path}: ${hole}`),
  );

/** A file can be read in one sitting. */
const filesAreShort: Rule = (product) =>
  product.filter(({ text }) => text.split('\n').length > 320).map(({ path }) => path);

/** A function can be read in one look. */
const functionsAreShort: Rule = (product) =>
  product
    .flatMap(functionsOf)
    .filter(({ length }) => length > 100)
    .map(({ where, length }) => `${where}: ${length} lines`);

export const RULES = {
  foldersPointDown,
  programsUseServersOnly,
  roomsKnowTheirRooms,
  filesHaveNoCircle,
  roomsHaveNoCircle,
  mappersStartSmall,
  driversHaveOneHome,
  factsHaveOneHome,
  typesHaveNoHoles,
  filesAreShort,
  functionsAreShort,
} as const satisfies Record<string, Rule>;

function importsOf(product: readonly SourceFile[]): { path: string; file: string }[] {
  return product.flatMap(({ path, imports }) =>
    imports.filter((file) => file.endsWith('.ts')).map((file) => ({ path, file })),
  );
}
