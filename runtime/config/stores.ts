import type { Env } from './env.ts';
import { ALL_SLOTS, formatSlots, parseSlots, SLOT_COUNT } from './slots.ts';

export interface RedisShardConfig {
  readonly name: string;
  readonly url: string;
}

export interface KeysDbConfig {
  readonly name: string;
  readonly url: string;
  /** Its number in the key space: N − 1 of keys-db-N. */
  readonly region: number;
}

export interface UrlsDbConfig {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
}

/** A replica of a urls server, kept up to date by MySQL replication. */
export interface UrlsReplicaConfig {
  /** The urls server that it copies. */
  readonly server: string;
  readonly url: string;
}

export interface KeySpaceConfig {
  readonly length: number;
  readonly secret: string;
  readonly regionBits: number;
}

const KEY_SOURCES = ['pools', 'counter'] as const;
/**
 * Where a mapper gets keys: from the pools that producers fill, or from a counter that all mappers share. A
 * cluster with the counter needs neither producers and keys-dbs nor ZooKeeper.
 */
export type KeySourceName = (typeof KEY_SOURCES)[number];

/** All stores. The same for producers, mappers and the operator's command. */
export interface StoresConfig {
  readonly keySource: KeySourceName;
  readonly redis: readonly RedisShardConfig[];
  /** Empty in a small cluster. */
  readonly keysDbs: readonly KeysDbConfig[];
  readonly urlsDbs: readonly UrlsDbConfig[];
  /** Undefined: there are no accounts. */
  readonly usersDb: { readonly url: string } | undefined;
  readonly keys: KeySpaceConfig;
  readonly quarantineMs: number;
}

/** @param source where keys come from, whatever `KEYMILL_KEY_SOURCE` says */
export function readStores(env: Env, source?: KeySourceName): StoresConfig {
  const keys = readKeySpace(env);
  const keySource = source ?? env.oneOf('KEY_SOURCE', KEY_SOURCES, 'pools');
  const usersDb = readUsersDb(env);
  if (keySource === 'counter' && usersDb === undefined)
    env.fault('USERS_DB', `the users database, which has the mark of the counter: ${MYSQL.example}`);
  return {
    keySource,
    redis: readRedis(env),
    keysDbs: readKeysDbs(env, keys.regionBits, keySource),
    urlsDbs: readUrlsDbs(env),
    usersDb,
    keys,
    quarantineMs: env.integer('QUARANTINE_MS', 600_000, 1_000, 30 * 86_400_000),
  };
}

/** Optional: links are made and followed without it. */
function readUsersDb(env: Env): StoresConfig['usersDb'] {
  const url = env.find('USERS_DB');
  return url === undefined ? undefined : { url: readUrl(env, 'USERS_DB', url, MYSQL) };
}

function readKeySpace(env: Env): KeySpaceConfig {
  const length = env.integer('KEY_LENGTH', 8, 6, 10);
  const secret = env.string('KEY_SECRET', 'a secret of at least 16 characters');
  if (secret !== '' && secret.length < 16) env.fault('KEY_SECRET', 'at least 16 characters');
  return { length, secret, regionBits: env.integer('REGION_BITS', length >= 8 ? 10 : 4, 1, 16) };
}

const REDIS_LIST = 'redis-1=redis://host:port,redis-2=redis://host:port,…';

function readRedis(env: Env): RedisShardConfig[] {
  return parseRedis(env, 'REDIS', env.string('REDIS', REDIS_LIST));
}

/** Optional. The servers must not be those of the pools: cached entries may be evicted, but keys never. */
export function readCacheRedis(env: Env, { redis }: Pick<StoresConfig, 'redis'>): RedisShardConfig[] {
  const shards = parseRedis(env, 'CACHE_REDIS', env.find('CACHE_REDIS') ?? '');
  const hostOf = (url: string): string | undefined => URL.parse(url)?.host;
  const pools = new Set(redis.map(({ url }) => hostOf(url)));
  if (shards.some(({ url }) => url !== '' && pools.has(hostOf(url))))
    env.fault('CACHE_REDIS', 'servers that are not in KEYMILL_REDIS');
  return shards;
}

/** Optional. One server: the counts of a client must be in one place. */
export function readLimitsRedis(env: Env): RedisShardConfig | undefined {
  const url = env.find('LIMITS_REDIS');
  return url === undefined ? undefined : { name: 'limits', url: readUrl(env, 'LIMITS_REDIS', url, REDIS) };
}

function parseRedis(env: Env, variable: 'REDIS' | 'CACHE_REDIS', value: string): RedisShardConfig[] {
  const shards = splitList(value).flatMap((entry) => {
    const [name, url] = splitOnce(entry, '=');
    if (!NAME.test(name) || url === undefined) {
      env.fault(variable, REDIS_LIST);
      return [];
    }
    return [{ name, url: readUrl(env, variable, url, REDIS) }];
  });
  requireDistinct(env, variable, shards);
  return shards;
}

/** The region of keys by counter: the last one of the key space. */
export function counterRegionOf(regionBits: number): number {
  return 2 ** regionBits - 1;
}

/** The keys-db that has the region of the counter. It may, as long as no key comes by counter. */
export function findKeysDbOfLastRegion({
  keysDbs,
  keys,
}: Pick<StoresConfig, 'keysDbs' | 'keys'>): KeysDbConfig | undefined {
  return keysDbs.find(({ region }) => region === counterRegionOf(keys.regionBits));
}

/** Undefined: without a users database there is no counter, nor where a keys-db has its region. */
export function findCounterRegion(
  stores: Pick<StoresConfig, 'usersDb' | 'keysDbs' | 'keys'>,
): number | undefined {
  const hasCounter = stores.usersDb !== undefined && findKeysDbOfLastRegion(stores) === undefined;
  return hasCounter ? counterRegionOf(stores.keys.regionBits) : undefined;
}

function readKeysDbs(env: Env, regionBits: number, source: KeySourceName): KeysDbConfig[] {
  const expected = 'keys-db-1=mysql://user:password@host:port/database,keys-db-2=…';
  const list = source === 'counter' ? env.find('KEYS_DBS') : env.string('KEYS_DBS', expected);
  // Producers do without the counter, but mappers beside them may use it.
  const isForCounter = source === 'counter' || env.find('KEY_SOURCE') === 'counter';
  const most = isForCounter ? counterRegionOf(regionBits) : 2 ** regionBits;
  const shards = splitList(list ?? '').flatMap((entry) => {
    const [name, url] = splitOnce(entry, '=');
    const number = Number(/^keys-db-([1-9]\d{0,4})$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number) || url === undefined) {
      env.fault('KEYS_DBS', expected);
      return [];
    }
    if (number > most) {
      const why = isForCounter ? ', of which the last region belongs to the counter' : '';
      env.fault('KEYS_DBS', `no number above ${most} (${regionBits} region bits${why}): ${name}`);
    }
    return [{ name, url: readUrl(env, 'KEYS_DBS', url, MYSQL), region: number - 1 }];
  });
  requireDistinct(env, 'KEYS_DBS', shards);
  return shards;
}

function readUrlsDbs(env: Env): UrlsDbConfig[] {
  const expected = 'urls-1:0-15=mysql://…,urls-2:16-31=mysql://…';
  const servers = splitList(env.string('URLS_DBS', expected)).flatMap((entry) => {
    const [head, url] = splitOnce(entry, '=');
    const [name, ranges] = splitOnce(head, ':');
    const slots = parseSlots(ranges ?? '');
    if (!NAME.test(name) || slots === undefined || url === undefined) {
      env.fault('URLS_DBS', `${expected}, with slots from 0 to ${SLOT_COUNT - 1}`);
      return [];
    }
    return [{ name, url: readUrl(env, 'URLS_DBS', url, MYSQL), slots }];
  });
  requireDistinct(env, 'URLS_DBS', servers);
  if (servers.length > 0) requireEverySlotOnce(env, servers);
  return servers;
}

/** Optional. For several replicas of one server, its name is repeated. */
export function readUrlsReplicas(env: Env, { urlsDbs }: Pick<StoresConfig, 'urlsDbs'>): UrlsReplicaConfig[] {
  const expected = 'urls-1=mysql://user:password@host:port/database,urls-1=…,urls-2=…';
  const names = new Set(urlsDbs.map(({ name }) => name));
  const primaries = new Set(urlsDbs.flatMap(({ url }) => addressOf(url) ?? []));
  const replicas = splitList(env.find('URLS_REPLICAS') ?? '').flatMap((entry) => {
    const [server, url] = splitOnce(entry, '=');
    if (!NAME.test(server) || url === undefined) {
      env.fault('URLS_REPLICAS', expected);
      return [];
    }
    if (names.size > 0 && !names.has(server))
      env.fault('URLS_REPLICAS', `servers of KEYMILL_URLS_DBS, and ${server} is not one of them`);
    return [{ server, url: readUrl(env, 'URLS_REPLICAS', url, MYSQL) }];
  });
  const addresses = replicas.flatMap(({ url }) => addressOf(url) ?? []);
  if (new Set(addresses).size < addresses.length) env.fault('URLS_REPLICAS', 'every address once');
  const primary = addresses.find((address) => primaries.has(address));
  if (primary !== undefined)
    env.fault('URLS_REPLICAS', `no address of KEYMILL_URLS_DBS, and ${primary} is one`);
  return replicas;
}

/** Host, port and database, without the user. Undefined for what is no URL. */
function addressOf(url: string): string | undefined {
  const parsed = URL.parse(url);
  return parsed === null
    ? undefined
    : `${parsed.hostname.toLowerCase()}:${parsed.port || MYSQL_PORT}${parsed.pathname}`;
}

function requireEverySlotOnce(env: Env, servers: readonly UrlsDbConfig[]): void {
  const owners = new Map<number, string[]>();
  for (const { name, slots } of servers) {
    for (const slot of slots) owners.set(slot, [...(owners.get(slot) ?? []), name]);
  }
  const holes = ALL_SLOTS.filter((slot) => !owners.has(slot));
  const overlaps = [...owners].filter(([, names]) => names.length > 1);
  if (holes.length > 0)
    env.fault('URLS_DBS', `a server for every slot; there is none for ${formatSlots(holes)}`);
  for (const [slot, names] of overlaps)
    env.fault('URLS_DBS', `one server for each slot; ${names.join(' and ')} both have ${slot}`);
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const MYSQL_PORT = 3306;
const MYSQL = { protocol: 'mysql:', needsPath: true, example: 'mysql://user:password@host:port/database' };
const REDIS = { protocol: 'redis:', needsPath: false, example: 'redis://host:port' };

function readUrl(
  env: Env,
  name: 'REDIS' | 'CACHE_REDIS' | 'LIMITS_REDIS' | 'KEYS_DBS' | 'URLS_DBS' | 'URLS_REPLICAS' | 'USERS_DB',
  url: string,
  form: typeof MYSQL,
): string {
  if (url === '') return url;
  const parsed = URL.parse(url);
  const isRight =
    parsed !== null &&
    parsed.protocol === form.protocol &&
    parsed.hostname !== '' &&
    (!form.needsPath || parsed.pathname.length > 1);
  if (!isRight) env.fault(name, `URLs of the form ${form.example}`);
  return url;
}

function requireDistinct(
  env: Env,
  name: 'REDIS' | 'CACHE_REDIS' | 'KEYS_DBS' | 'URLS_DBS',
  entries: readonly { name: string; url: string }[],
): void {
  for (const field of ['name', 'url'] as const) {
    const values = entries.map((entry) => entry[field]);
    if (new Set(values).size < values.length) env.fault(name, `every ${field} once`);
  }
}

/** The entries of a list that commas separate. */
export function splitList(value: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
