import type { Env } from './env.ts';
import type { StoresConfig } from './stores.ts';

export interface ZooKeeperConfig {
  /** `host:port,host:port/chroot` */
  readonly connect: string;
  /** `user:password`. Undefined: everybody may change our nodes. */
  readonly auth?: string | undefined;
  readonly sessionTimeoutMs: number;
}

/** Keys by counter need no locks, so ZooKeeper may be missing. */
export function findZooKeeper(
  env: Env,
  { keySource }: Pick<StoresConfig, 'keySource'>,
): ZooKeeperConfig | undefined {
  return keySource === 'counter' && env.find('ZOOKEEPER') === undefined ? undefined : readZooKeeper(env);
}

export function readZooKeeper(env: Env): ZooKeeperConfig {
  const connect = env.string('ZOOKEEPER', 'host:port,host:port/chroot');
  if (connect !== '' && !/^[^,/:@\s]+:\d{1,5}(,[^,/:@\s]+:\d{1,5})*(\/[^\s]*[^\s/])?$/.test(connect)) {
    env.fault('ZOOKEEPER', 'host:port,host:port with an optional /chroot, without user and password');
  }
  return {
    connect,
    auth: readZooKeeperAuth(env),
    sessionTimeoutMs: env.integer('SESSION_TIMEOUT_MS', 6_000, 500, 600_000),
  };
}

/** zkCli.sh reads both from one line, so they contain no blanks. */
function readZooKeeperAuth(env: Env): string | undefined {
  const auth = env.find('ZOOKEEPER_AUTH');
  if (auth !== undefined && !/^[A-Za-z0-9][\w.-]*:[\x21-\x7e]+$/.test(auth))
    env.fault(
      'ZOOKEEPER_AUTH',
      'user:password: a user of letters, digits, . _ -, and a password of visible ASCII characters',
    );
  return auth;
}
