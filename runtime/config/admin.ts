import { isIP } from 'node:net';
import type { Env } from './env.ts';

/** The admin port of a process. */
export interface AdminConfig {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Names under which the port may be asked, besides `host`, IP addresses and localhost. */
  readonly names: readonly string[];
  /** Wanted by everything but `/livez`, `/readyz` and `/metrics`. Undefined: nothing else is answered. */
  readonly token: string | undefined;
}

export function readAdmin(env: Env): AdminConfig {
  return {
    host: env.find('ADMIN_HOST') ?? '127.0.0.1',
    port: env.integer('ADMIN_PORT', 0, 0, 65_535),
    names: readNames(env),
    token: readAdminToken(env),
  };
}

/** The characters are those that a Bearer token may have (RFC 6750). */
export function readAdminToken(env: Env): string | undefined {
  const token = env.find('ADMIN_TOKEN');
  if (token !== undefined && !/^[\w.~+/-]{16,512}=*$/.test(token))
    env.fault(
      'ADMIN_TOKEN',
      '16 to 512 of A-Z a-z 0-9 - . _ ~ + /, such as the output of openssl rand -hex 32',
    );
  return token;
}

function readNames(env: Env): string[] {
  const names = (env.find('ADMIN_NAMES') ?? '').split(',').map((name) => name.trim());
  const given = names.filter((name) => name !== '');
  const isName = (name: string): boolean => /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/i.test(name);
  if (!given.every((name) => isName(name) || isIP(name) !== 0))
    env.fault('ADMIN_NAMES', 'host names without port: name,name');
  return given;
}
