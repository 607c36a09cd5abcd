import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { ALL_SLOTS, formatSlots } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';

export const BENCH_SECRET = 'the secret of a benchmark';

/** For the parts of the product that a bench calls itself. */
export const SILENT_LOG = createLog('bench', 'bench', 'silent');

/** The keyspace of stores that are described by {@link storeVariables}: all defaults. */
export function benchKeyspace(): Keyspace {
  return createKeyspace({ length: 8, secret: BENCH_SECRET, regionBits: 10 });
}

/**
 * Variables that describe the stores of a bench: every database on one MySQL server. A bench that uses no
 * Redis or no ZooKeeper gets addresses to which no process connects, because the variables are mandatory.
 */
export function storeVariables(given: {
  readonly mysql: (database: string) => string;
  readonly redis?: readonly { readonly name: string; readonly url: string }[];
  readonly zookeeper?: string;
}): Record<string, string> {
  const { mysql, redis = [{ name: 'redis-1', url: 'redis://127.0.0.1:1' }], zookeeper } = given;
  return {
    KEYMILL_ZOOKEEPER: zookeeper ?? '127.0.0.1:1',
    KEYMILL_REDIS: redis.map(({ name, url }) => `${name}=${url}`).join(','),
    KEYMILL_KEYS_DBS: `keys-db-1=${mysql('keys_db_1')}`,
    KEYMILL_URLS_DBS: `urls-1:${formatSlots(ALL_SLOTS)}=${mysql('urls')}`,
    KEYMILL_USERS_DB: mysql('users'),
    KEYMILL_KEY_SECRET: BENCH_SECRET,
  };
}

/** This process's environment without any `KEYMILL_` variable, so that a bench measures the defaults. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYMILL_')));
}
