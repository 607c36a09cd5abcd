import { IMAGE_VARIABLES } from './image-variables.ts';
import type { Variable } from './variable.ts';

/** All variables, without the prefix `KEYMILL_`. */
export const VARIABLES = {
  ID: {
    meaning:
      'name of this process, unique among producers or among mappers, and name of its znode: letters, digits, . _ -; {hostname} is replaced by the host name',
    default: 'host name and process id',
  },
  ZOOKEEPER: {
    meaning: 'ZooKeeper connect string: host:port,host:port, with an optional /chroot at the end',
    default: 'none, only where KEYMILL_KEY_SOURCE is counter',
  },
  ZOOKEEPER_AUTH: {
    meaning:
      'user:password of all processes of one cluster (scheme digest): others may read our nodes in ZooKeeper and not change them',
    tradeOff: 'without it, everybody who reaches ZooKeeper may take or delete locks',
    default: 'none: the nodes are open',
    secret: true,
  },
  SESSION_TIMEOUT_MS: {
    meaning: 'requested ZooKeeper session timeout; the servers may grant another',
    tradeOff: 'a longer one survives longer stalls and elections; a shorter one replaces a lost host sooner',
    default: '6000',
    unit: 'ms',
  },
  REDIS: { meaning: 'key pools: name=redis://host:port,name=…', secret: true },
  KEY_SOURCE: {
    meaning:
      'where mappers get keys: pools, which producers fill; or counter, which the first Redis and the users database keep',
    tradeOff:
      'the counter needs no producers, keys-dbs and ZooKeeper; what a killed mapper held is never used again',
    default: 'pools',
  },
  KEYS_DBS: {
    meaning: 'keys-db shards: keys-db-1=mysql://user:password@host:port/database,…',
    default: 'none, only where KEYMILL_KEY_SOURCE is counter',
    secret: true,
  },
  URLS_DBS: {
    meaning:
      'urls servers with their slots: urls-1:0-15=mysql://…,urls-2:16-31=mysql://… (several ranges: 0-7+16-23)',
    secret: true,
  },
  URLS_REPLICAS: {
    meaning:
      'read replicas of urls servers, each under the name of its server: urls-1=mysql://…,urls-1=mysql://…,urls-2=mysql://…',
    tradeOff:
      'fewer reads on the servers; if the announcement of a change does not reach a mapper, the change shows later by the lag of the replica',
    default: 'none',
    secret: true,
  },
  USERS_DB: {
    meaning: 'users database: mysql://user:password@host:port/database',
    tradeOff: 'without it there are no accounts and no API keys; links are made and followed as ever',
    default: 'none',
    secret: true,
  },
  KEY_LENGTH: {
    meaning: 'characters of a generated key, 6 to 10',
    tradeOff: 'shorter links are nicer to read and easier to enumerate',
    default: '8',
  },
  KEY_SECRET: {
    meaning: 'secret that shuffles the key space, at least 16 characters; never change it',
    secret: true,
  },
  REGION_BITS: {
    meaning: 'bits of the key space that number the keys-db',
    default: '10 at key length 8 and above, else 4',
  },
  QUARANTINE_MS: {
    meaning: 'how long a missing key is watched before it is recycled',
    tradeOff: 'must be longer than any mapper may hold a key',
    default: '600000',
    unit: 'ms',
  },
  LOG_LEVEL: { meaning: 'trace, debug, info, warn, error, fatal or silent', default: 'info' },
  ADMIN_HOST: { meaning: 'address of the admin port (livez, readyz, metrics)', default: '127.0.0.1' },
  ADMIN_PORT: { meaning: 'admin port; 0 picks a free one', default: '0' },
  ADMIN_TOKEN: {
    meaning:
      'token that the admin port wants for everything but livez, readyz and metrics, and a browser once for its dashboard; the same in all processes of a cluster, 16 to 512 characters (openssl rand -hex 32)',
    default: 'none: everything else is refused, and no key can be recycled',
    secret: true,
  },
  ADMIN_NAMES: {
    meaning:
      'host names under which the admin port may be asked, besides IP addresses, localhost and KEYMILL_ADMIN_HOST: name,name',
    tradeOff:
      'a name that others can point at this address lets their web pages read livez, readyz and metrics',
    default: 'none',
  },
  PRODUCER_CAPACITY: { meaning: 'most keys-db shards that one producer holds', default: '2', unit: 'shards' },
  POOL_LOW: { meaning: 'smallest low watermark of a pool', default: '4000', unit: 'keys' },
  POOL_HIGH: { meaning: 'smallest high watermark of a pool', default: '10000', unit: 'keys' },
  POOL_HIGH_MAX: {
    meaning: 'largest high watermark of a pool',
    tradeOff: 'memory in Redis, and keys to recycle after a loss',
    default: '200000',
    unit: 'keys',
  },
  POOL_MINUTES: {
    meaning: 'how many minutes of the measured drain a full pool covers',
    default: '5',
    unit: 'minutes',
  },
  BATCH_SIZE: { meaning: 'most key ids claimed at once', default: '20000', unit: 'keys' },
  UNUSED_LOW: {
    meaning: 'when fewer unused keys remain, a holder generates at full speed',
    default: '50000',
    unit: 'keys',
  },
  GENERATE_COUNT: {
    meaning:
      'keys that a holder generates in one step at full speed; above KEYMILL_UNUSED_LOW it adds as many more, slowly',
    default: '100000',
    unit: 'keys',
  },
  HTTP_HOST: { meaning: 'address of the public port', default: '127.0.0.1' },
  HTTP_PORT: { meaning: 'public port; 0 picks a free one', default: '8080' },
  PROCESSES: {
    meaning: 'processes of a mapper that share its port; each has its own reserve, queue and cache',
    tradeOff: 'one per core uses all cores',
    default: '1',
  },
  PUBLIC_URL: {
    meaning: 'beginning of every short link, e.g. https://go.example',
    default: "the mapper's own address",
  },
  SIGNUP: {
    meaning:
      'whether everybody may make an account: open or closed; closed: only an operator makes accounts (keymill users add)',
    default: 'closed; ./scripts/up opens it',
  },
  CORS_ORIGINS: {
    meaning:
      'origins whose pages may use the API from a browser with an API key: https://app.example,https://…, or * for all',
    tradeOff: 'a page that has an API key shows it to everybody who opens the page',
    default: 'none',
  },
  BLOCKED_DOMAINS: {
    meaning:
      'file of domains to which no link may point, with all names below them: one on each line, # begins a comment; read again when it changes; at most 8 MiB',
    default: 'none',
  },
  WEBHOOK_RETRY_MS: {
    meaning:
      'how long a delivery to a webhook is tried again, with growing pauses that are shares of this time; a webhook that fails for all of it is switched off',
    default: '86400000',
    unit: 'ms',
  },
  WEBHOOK_NAME_SERVERS: {
    meaning: 'name servers that know where webhooks are: address,address:port,…; /etc/hosts is not read',
    tradeOff: 'public ones know no names of the own network, so webhooks cannot lead there',
    default: 'those of the machine',
  },
  TRUSTED_PROXIES: {
    meaning:
      'proxies whose X-Forwarded-For says who a client is: addresses or networks, 10.0.0.0/8,2001:db8::/32,…; the client is the rightmost entry that is none of them',
    tradeOff:
      'without it all clients behind a proxy share the limits of one; an address that is no proxy could pretend to be any client',
    default: 'none',
  },
  LIMITS_REDIS: {
    meaning:
      'Redis that counts the requests of clients for all mappers, without addresses: redis://host:port/database',
    tradeOff:
      'without it each process of each mapper counts for itself; with it a new link without an account waits for one more answer, and is refused while this Redis is away',
    default: 'none',
    secret: true,
  },
  LIMIT_ANONYMOUS: {
    meaning: 'new links a minute from one address (IPv6: one /64) without an API key; 0: no limit',
    default: '30',
    unit: 'requests',
  },
  LIMIT_KEY: {
    meaning: 'requests a minute with one API key; 0: no limit',
    default: '1000',
    unit: 'requests',
  },
  LIMIT_SESSION: {
    meaning: 'requests a minute with the sessions of one user; 0: no limit',
    default: '1000',
    unit: 'requests',
  },
  LIMIT_SIGN_IN: {
    meaning:
      'requests a minute from one address that try a password or make an account, and of one account that try its password; 0: no limit',
    default: '10',
    unit: 'requests',
  },
  LIMIT_BAD_CREDENTIAL: {
    meaning:
      'API keys and sessions a minute from one address that nobody knows; then only those that the mapper has seen to be good are accepted from it until the minute is over; 0: no limit',
    tradeOff:
      'each costs the users database a read; many people can share an address, and a program with a revoked key may use it up for them',
    default: '60',
    unit: 'requests',
  },
  LIMIT_NOT_FOUND: {
    meaning:
      'links a minute that one address may ask for and that do not exist; then it may follow no link until the minute is over; 0: no limit',
    tradeOff: 'a lower one makes it slower to find links by guessing; many people can share an address',
    default: '300',
    unit: 'requests',
  },
  LIMIT_LOOPBACK: {
    meaning: 'true gives clients on the same machine the same limits',
    default: 'false',
  },
  ALLOW_PRIVATE_TARGETS: {
    meaning: 'true lets links point at private and loopback addresses',
    default: 'false',
  },
  MAX_URL_BYTES: {
    meaning: 'longest target of a link, as it is typed and percent-encoded; 2048 to 8000',
    tradeOff:
      'a Location of more than 4 KB needs larger buffers in the proxies in front (docs/operations.md)',
    default: '2048',
    unit: 'bytes',
  },
  ROOT_URL: {
    meaning: 'where / of the public port leads (302): https://example.com/',
    default: 'none: / is the page that makes links',
  },
  NOT_FOUND_URL: {
    meaning: 'where browsers are sent (302) that ask for a link that does not exist; programs get 404',
    default: 'none: browsers get a page with 404',
  },
  COUNTRY_HEADER: {
    meaning:
      'header in which KEYMILL_TRUSTED_PROXIES say the country of a visitor, as ISO 3166 with two letters: CF-IPCountry; for statistics, and for links with targets by country',
    tradeOff: 'a proxy that does not set it must remove it, or visitors choose their country',
    default: 'none: no proxy says it',
  },
  COUNTRY_FILE: {
    meaning:
      'file of addresses and their countries (MaxMind DB, .mmdb), asked where no proxy says a country; read at the start',
    tradeOff: 'each process of a mapper holds the whole file in memory',
    default: 'none',
  },
  STYLE_PAGE: {
    meaning: 'true shows the parts of which pages are made under /docs/style, for those who work on them',
    default: 'false',
  },
  ...IMAGE_VARIABLES,
  RESERVE: {
    meaning: 'most keys that a mapper holds ready',
    tradeOff:
      'bridges a short outage of Redis; if the mapper is killed, these keys are unusable for the quarantine',
    default: '256',
    unit: 'keys',
  },
  QUEUE_LIMIT: {
    meaning: 'most shortens that wait in a mapper; further ones get 503',
    default: '4096',
    unit: 'requests',
  },
  CACHE_MAX_BYTES: { meaning: 'memory for cached links in a mapper', default: '67108864', unit: 'bytes' },
  CACHE_REDIS: {
    meaning:
      'Redis servers that cache links for all mappers, without those of the key pools: name=redis://host:port,…',
    default: 'none',
    secret: true,
  },
  CACHE_TTL_MS: {
    meaning: 'how long a cached link may stay after a lost invalidation',
    default: '60000',
    unit: 'ms',
  },
  COUNT_CLICKS: {
    meaning:
      'whether clicks are counted: true, with what is known of those who follow; total, only how many; false',
    tradeOff: 'total costs a redirect 5 µs less; it cannot tell programs from people',
    default: 'true',
  },
  CLICK_FLUSH_MS: {
    meaning: 'how long clicks are collected in memory before they are stored',
    tradeOff:
      'a longer time costs the urls servers less; a killed process loses the clicks that no server has confirmed',
    default: '2000',
    unit: 'ms',
  },
  KEEP_CLICKS_DAYS: {
    meaning:
      'how long clicks by hour, day, month and value are kept, 0 for ever; totals of links always stay',
    tradeOff: 'a shorter time takes less room; questions about earlier days find nothing',
    default: '0',
    unit: 'days',
  },
  KEEP_IMPORTS_DAYS: {
    meaning:
      'how long an import stays in the list of its user, and how long after its last use it is remembered which links a file has made; at least 8',
    tradeOff:
      'a shorter time takes less room; a file that is imported again later makes its links without a code twice',
    default: '90',
    unit: 'days',
  },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof VARIABLES;
