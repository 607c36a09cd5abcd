import { showSetting } from '../runtime/redact.ts';
import { CoordinationError } from './errors.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface ConnectString {
  readonly servers: Server[];
  /** '' or '/some/path', without a slash at its end. */
  readonly chroot: string;
}

const DEFAULT_PORT = 2181;

/**
 * Parses `host:port,[::1]:port,…/chroot`. The parser of the client library does not support IPv6 and is not
 * used.
 * @throws CoordinationError REFUSED, which names the fault
 */
export function parseConnectString(connect: string): ConnectString {
  const slash = connect.indexOf('/');
  const hosts = slash === -1 ? connect : connect.slice(0, slash);
  const chroot = slash === -1 ? '' : connect.slice(slash).replace(/\/+$/, '');
  if (chroot.includes('//')) throw refused(connect, 'the chroot has an empty part');
  const servers = hosts
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => parseServer(connect, text));
  if (servers.length === 0) throw refused(connect, 'it names no server');
  return { servers, chroot };
}

function parseServer(connect: string, text: string): Server {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:@[\]]+))(?::(\d+))?$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw refused(connect, `"${showSetting(text)}" is not host:port`);
  return { host, port };
}

function refused(connect: string, why: string): CoordinationError {
  return new CoordinationError('REFUSED', `ZooKeeper connect string "${showSetting(connect)}": ${why}`);
}
