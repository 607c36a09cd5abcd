export const BENCH_SECRET = 'the secret of a benchmark';

/** Variables that describe stores a bench does not use: they must be there, and nobody connects to them. */
export function storeVariables(given: {
  keysDb: string;
  redis?: readonly { name: string; url: string }[];
  zookeeper?: string;
}): Record<string, string> {
  const nobody = 'mysql://nobody@127.0.0.1:1/none';
  return {
    KEYMILL_ZOOKEEPER: given.zookeeper ?? '127.0.0.1:1',
    KEYMILL_REDIS:
      given.redis?.map(({ name, url }) => `${name}=${url}`).join(',') ?? 'redis-1=redis://127.0.0.1:1',
    KEYMILL_KEYS_DBS: `keys-db-1=${given.keysDb}`,
    KEYMILL_URLS_DBS: `urls-1:0-31=${nobody}`,
    KEYMILL_USERS_DB: nobody,
    KEYMILL_KEY_SECRET: BENCH_SECRET,
  };
}

/** This process's environment without any `KEYMILL_` variable, so that a bench measures the defaults. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYMILL_')));
}
