import { isIP } from 'node:net';
import type { Env } from './env.ts';
import { splitList } from './stores.ts';

export interface WebhooksConfig {
  /** `address` or `address:port`, IPv6 in brackets. Empty: the name servers of the machine. */
  readonly nameServers?: readonly string[];
  /** How long a delivery is tried again. */
  readonly retryMs?: number;
}

export const DEFAULT_RETRY_MS = 86_400_000;

export function readWebhooks(env: Env): WebhooksConfig {
  return {
    nameServers: readNameServers(env),
    retryMs: env.integer('WEBHOOK_RETRY_MS', DEFAULT_RETRY_MS, 1_000, 7 * 86_400_000),
  };
}

function readNameServers(env: Env): string[] {
  const servers = splitList(env.find('WEBHOOK_NAME_SERVERS') ?? '');
  if (!servers.every(isNameServer))
    env.fault(
      'WEBHOOK_NAME_SERVERS',
      'addresses of name servers: 192.0.2.53,192.0.2.54:5353,[2001:db8::53]:53',
    );
  return servers;
}

function isNameServer(text: string): boolean {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const isPort = port === undefined || (Number(port) > 0 && Number(port) < 65_536);
  return isPort && (isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4 || isIP(text) === 6);
}
