import { isIP } from 'node:net';
import type { Env } from './env.ts';
import type { VariableName } from './variables.ts';
import { readLimitsRedis, splitList, type RedisShardConfig } from './stores.ts';

/** What a client of a mapper may do. */
export interface LimitsConfig {
  /** Requests of one client in a minute; 0: no limit. */
  readonly perMinute: {
    readonly anonymous: number;
    readonly key: number;
    readonly session: number;
    readonly 'sign-in': number;
    readonly 'bad-credential': number;
    readonly 'not-found': number;
  };
  /** Whether clients on this machine have limits too. */
  readonly loopback: boolean;
  /** Proxies whose `X-Forwarded-For` is believed: addresses or networks. */
  readonly trustedProxies: readonly string[];
  /** Counts for all mappers. Undefined: each process counts for itself. */
  readonly redis: RedisShardConfig | undefined;
}

const MOST_A_MINUTE = 1_000_000_000;

export function readLimits(env: Env): LimitsConfig {
  const perMinute = (name: VariableName, fallback: number): number =>
    env.integer(name, fallback, 0, MOST_A_MINUTE);
  return {
    perMinute: {
      anonymous: perMinute('LIMIT_ANONYMOUS', 30),
      key: perMinute('LIMIT_KEY', 1_000),
      session: perMinute('LIMIT_SESSION', 1_000),
      'sign-in': perMinute('LIMIT_SIGN_IN', 10),
      'bad-credential': perMinute('LIMIT_BAD_CREDENTIAL', 60),
      'not-found': perMinute('LIMIT_NOT_FOUND', 300),
    },
    loopback: env.boolean('LIMIT_LOOPBACK', false),
    trustedProxies: readTrustedProxies(env),
    redis: readLimitsRedis(env),
  };
}

function readTrustedProxies(env: Env): string[] {
  const proxies = splitList(env.find('TRUSTED_PROXIES') ?? '');
  if (!proxies.every(isNetwork))
    env.fault('TRUSTED_PROXIES', 'addresses or networks, such as 10.0.0.0/8,2001:db8::/32,192.0.2.1');
  return proxies;
}

function isNetwork(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Browsers write an origin without a path, in small letters, and without the usual port. */
export function readCorsOrigins(env: Env): string[] {
  const origins = splitList(env.find('CORS_ORIGINS') ?? '');
  if (!origins.every((origin) => origin === '*' || isOrigin(origin)))
    env.fault(
      'CORS_ORIGINS',
      '* or origins as browsers write them, such as https://app.example,http://localhost:3000',
    );
  return origins;
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.parse(text)?.origin === text;
}
