import { hostname } from 'node:os';
import { LOG_LEVELS, type LogLevel } from '../log.ts';
import { whyNoHost } from '../why-no-host.ts';
import { readAdmin, readAdminToken, type AdminConfig } from './admin.ts';
import { Env } from './env.ts';
import { readFollowing, type FollowingConfig } from './following.ts';
import { readBlobs, readImages, type BlobsConfig, type ImagesConfig } from './images.ts';
import { readCorsOrigins, readLimits, type LimitsConfig } from './limits.ts';
import {
  readCacheRedis,
  readStores,
  readUrlsReplicas,
  type KeySourceName,
  type RedisShardConfig,
  type StoresConfig,
  type UrlsReplicaConfig,
} from './stores.ts';
import { readWebhooks, type WebhooksConfig } from './webhooks.ts';
import { findZooKeeper, readZooKeeper, type ZooKeeperConfig } from './zookeeper.ts';

export interface ListenConfig {
  readonly host: string;
  readonly port: number;
}

/** The settings of every long-lived process. */
export interface ProcessConfig {
  readonly id: string;
  readonly logLevel: LogLevel;
  readonly admin: AdminConfig;
  readonly stores: StoresConfig;
}

/** Between which watermarks a pool is kept. */
export interface PoolLimits {
  /** The low watermark is never below this, however slowly the pool drains. */
  readonly lowFloor: number;
  /** The high watermark is never below this, unless the ceiling is. */
  readonly highFloor: number;
  /** The high watermark is never above this: the keys of a lost Redis are missing until they are recycled. */
  readonly highCeiling: number;
  /** A full pool lasts for this many minutes at the measured drain rate. */
  readonly minutesHeld: number;
}

export interface ProducerConfig extends ProcessConfig {
  readonly zookeeper: ZooKeeperConfig;
  /** The most shards that it holds. */
  readonly capacity: number;
  readonly pools: PoolLimits;
  readonly batchSize: number;
  readonly generation: { readonly low: number; readonly count: number };
}

export interface CacheConfig {
  readonly maxBytes: number;
  readonly ttlMs: number;
  /** Redis shards that all mappers use as a second cache behind their memory. Default: none. */
  readonly shards?: readonly RedisShardConfig[];
}

const SIGNUPS = ['open', 'closed'] as const;
export type Signup = (typeof SIGNUPS)[number];

export interface MapperConfig extends ProcessConfig {
  /** Undefined: a small cluster, which has no ZooKeeper. */
  readonly zookeeper: ZooKeeperConfig | undefined;
  readonly http: ListenConfig;
  /** Processes that serve one port. Above 1 a parent process supervises them. */
  readonly processes: number;
  /** Origin of short URLs, without a slash at the end. Undefined: the mapper's own address. */
  readonly publicUrl: string | undefined;
  /** Whether everybody may make an account. */
  readonly signup: Signup;
  readonly limits: LimitsConfig;
  /** Origins whose pages may use the API; `*`: all. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** File of domains to which no link may point. Undefined: none. */
  readonly blockedDomains?: string | undefined;
  readonly allowPrivateTargets: boolean;
  /** The longest target of a link. */
  readonly maxUrlBytes: number;
  /** What followers of links are told, besides the links. */
  readonly following?: FollowingConfig;
  readonly reserve: number;
  readonly queueLimit: number;
  readonly cache: CacheConfig;
  /** Replicas of the urls servers, which redirects may read. Default: none. */
  readonly urlsReplicas?: readonly UrlsReplicaConfig[];
  readonly clicks: {
    /** `total`: how many, and nothing about those who follow. */
    readonly counted: boolean | 'total';
    readonly flushMs: number;
  };
  /** How webhooks are told of events. */
  readonly webhooks?: WebhooksConfig;
  /** Default: there are no images. */
  readonly blobs?: BlobsConfig | undefined;
  /** Default: {@link DEFAULT_IMAGES}. */
  readonly images?: ImagesConfig;
  readonly jobs: JobsConfig;
}

/** How long imports are remembered, where nothing else is configured. */
export const KEPT_IMPORT_DAYS = 90;
/** The report of an import is made from what is remembered, and is there for 7 days. */
const MIN_KEPT_IMPORT_DAYS = 8;

/** Work in the background on urls servers. */
export interface JobsConfig {
  /** Days for which clicks are kept. Undefined: for ever. Totals of links always are. */
  readonly keptDays: number | undefined;
  /** Days for which imports are remembered. Default: {@link KEPT_IMPORT_DAYS}. */
  readonly keptImportDays?: number;
  /** How often a process looks for jobs that are due. */
  readonly pollMs: number;
}

/** The settings by which targets of links are judged. */
export type TargetConfig = Pick<MapperConfig, 'publicUrl' | 'allowPrivateTargets' | 'maxUrlBytes'>;

/** The settings that `keymill` needs. */
export interface OperatorConfig {
  /** Undefined: a small cluster, which has no ZooKeeper. */
  readonly zookeeper: ZooKeeperConfig | undefined;
  readonly stores: StoresConfig;
  /** For the admin ports of producers and mappers. */
  readonly adminToken: string | undefined;
  /** Undefined: there are no images. */
  readonly blobs?: BlobsConfig | undefined;
}

/** The defaults with which other programs calculate. */
export const DEFAULTS: {
  readonly capacity: number;
  readonly pools: PoolLimits;
  readonly reserve: number;
} = {
  capacity: 2,
  pools: { lowFloor: 4_000, highFloor: 10_000, highCeiling: 200_000, minutesHeld: 5 },
  reserve: 256,
};

const COUNTED = { true: true, '1': true, total: 'total', false: false, '0': false } as const;

type Source = Readonly<Record<string, string | undefined>>;

/** @throws ConfigError listing every fault */
export function readProducerConfig(source?: Source): ProducerConfig {
  const env = new Env(source);
  const pools = readPoolLimits(env);
  const config: ProducerConfig = {
    ...readProcess(env, 'pools'),
    zookeeper: readZooKeeper(env),
    capacity: env.integer('PRODUCER_CAPACITY', DEFAULTS.capacity, 1, 1_024),
    pools,
    batchSize: env.integer('BATCH_SIZE', 20_000, 1, 100_000),
    generation: {
      low: env.integer('UNUSED_LOW', 50_000, 1, 1_000_000_000),
      count: env.integer('GENERATE_COUNT', 100_000, 1, 100_000_000),
    },
  };
  env.throwIfFaulty();
  return config;
}

/** @throws ConfigError listing every fault */
export function readMapperConfig(source?: Source): MapperConfig {
  const env = new Env(source);
  const general = readProcess(env);
  const { stores } = general;
  const config: MapperConfig = {
    ...general,
    zookeeper: findZooKeeper(env, stores),
    http: readHttp(env),
    processes: env.integer('PROCESSES', 1, 1, 64),
    ...readTargets(env),
    signup: env.oneOf('SIGNUP', SIGNUPS, 'closed'),
    limits: readLimits(env),
    corsOrigins: readCorsOrigins(env),
    blockedDomains: env.find('BLOCKED_DOMAINS'),
    following: readFollowing(env),
    reserve: env.integer('RESERVE', DEFAULTS.reserve, 0, 100_000),
    queueLimit: env.integer('QUEUE_LIMIT', 4_096, 1, 1_000_000),
    cache: {
      maxBytes: env.integer('CACHE_MAX_BYTES', 64 * 2 ** 20, 0, 2 ** 40),
      ttlMs: env.integer('CACHE_TTL_MS', 60_000, 0, 86_400_000),
      shards: readCacheRedis(env, stores),
    },
    urlsReplicas: readUrlsReplicas(env, stores),
    clicks: {
      counted: COUNTED[env.oneOf('COUNT_CLICKS', ['true', 'total', 'false', '1', '0'], 'true')],
      flushMs: env.integer('CLICK_FLUSH_MS', 2_000, 10, 60_000),
    },
    webhooks: readWebhooks(env),
    blobs: readBlobs(env),
    images: readImages(env),
    jobs: {
      keptDays: env.integer('KEEP_CLICKS_DAYS', 0, 0, 36_500) || undefined,
      keptImportDays: env.integer('KEEP_IMPORTS_DAYS', KEPT_IMPORT_DAYS, MIN_KEPT_IMPORT_DAYS, 36_500),
      pollMs: 30_000,
    },
  };
  env.throwIfFaulty();
  return config;
}

/** Only the settings by which targets are judged. @throws ConfigError listing every fault */
export function readTargetConfig(source?: Source): TargetConfig {
  const env = new Env(source);
  const config = readTargets(env);
  env.throwIfFaulty();
  return config;
}

/** Only the settings of ZooKeeper. @throws ConfigError listing every fault */
export function readZooKeeperConfig(source?: Source): ZooKeeperConfig {
  const env = new Env(source);
  const config = readZooKeeper(env);
  env.throwIfFaulty();
  return config;
}

/** @throws ConfigError listing every fault */
export function readOperatorConfig(source?: Source): OperatorConfig {
  const env = new Env(source);
  const stores = readStores(env);
  const config = {
    zookeeper: findZooKeeper(env, stores),
    stores,
    adminToken: readAdminToken(env),
    blobs: readBlobs(env),
  };
  env.throwIfFaulty();
  return config;
}

/** @param source where keys come from, whatever the variables say */
function readProcess(env: Env, source?: KeySourceName): ProcessConfig {
  // In a container, the host name is the name of the container.
  const id = env.find('ID')?.replace('{hostname}', hostname()) ?? `${hostname()}-${process.pid}`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(id))
    env.fault('ID', 'at most 63 letters, digits, . _ -, beginning with a letter or digit');
  return {
    id,
    logLevel: env.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    admin: readAdmin(env),
    stores: readStores(env, source),
  };
}

function readPoolLimits(env: Env): PoolLimits {
  const { lowFloor, highFloor, highCeiling, minutesHeld } = DEFAULTS.pools;
  const limits = {
    lowFloor: env.integer('POOL_LOW', lowFloor, 1, 10_000_000),
    highFloor: env.integer('POOL_HIGH', highFloor, 1, 10_000_000),
    highCeiling: env.integer('POOL_HIGH_MAX', highCeiling, 1, 100_000_000),
    minutesHeld: env.integer('POOL_MINUTES', minutesHeld, 1, 1_440),
  };
  if (limits.lowFloor >= limits.highFloor)
    env.fault('POOL_LOW', `less than KEYMILL_POOL_HIGH (${limits.highFloor} keys)`);
  if (limits.highFloor > limits.highCeiling)
    env.fault('POOL_HIGH', `at most KEYMILL_POOL_HIGH_MAX (${limits.highCeiling} keys)`);
  return limits;
}

/** Without PUBLIC_URL, short URLs begin with this address, so it must be one that a URL can contain. */
function readHttp(env: Env): ListenConfig {
  const host = env.find('HTTP_HOST') ?? '127.0.0.1';
  const port = env.integer('HTTP_PORT', 8080, 0, 65_535);
  const canBeInUrl = URL.canParse(`http://${host.includes(':') ? `[${host}]` : host}`);
  if (!canBeInUrl && env.find('PUBLIC_URL') === undefined)
    env.fault('HTTP_HOST', 'an address that can stand in a URL, or KEYMILL_PUBLIC_URL beside it');
  return { host, port };
}

function readTargets(env: Env): TargetConfig {
  return {
    publicUrl: readPublicUrl(env),
    allowPrivateTargets: env.boolean('ALLOW_PRIVATE_TARGETS', false),
    maxUrlBytes: env.integer('MAX_URL_BYTES', 2_048, 2_048, 8_000),
  };
}

function readPublicUrl(env: Env): string | undefined {
  const value = env.find('PUBLIC_URL');
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  const isOrigin =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === '';
  const why = url === null || !isOrigin ? undefined : whyNoHost(url);
  if (!isOrigin || why !== undefined)
    env.fault(
      'PUBLIC_URL',
      'an http or https origin without path, user and password, such as https://go.example' +
        (why === undefined ? '' : `; it ${why}`),
    );
  return url?.origin;
}
