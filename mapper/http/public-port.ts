import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { ListenConfig } from '../../runtime/config/config.ts';

/** How many connections may wait to be accepted. */
export const BACKLOG = 1_024;

/** The port that a mapper is reached at. Its number is known before anything can be served, so links can be formed. */
export interface PublicPort extends AsyncDisposable {
  /** How a client on this machine reaches it. */
  readonly url: string;
  /** Makes `server` listen. @throws when the port is taken */
  listen(server: Server): Promise<void>;
}

/**
 * Finds the port. A port of the configuration is not bound before {@link PublicPort.listen}: a load balancer that finds it open would
 * send requests that nobody can answer yet. Port 0 is bound immediately, for its number; until it listens nobody knows of it.
 *
 * @param isShared whether other processes listen on the same port: the kernel then distributes the connections
 * @throws when the host cannot be bound
 */
export async function openPublicPort({ host, port }: ListenConfig, isShared: boolean): Promise<PublicPort> {
  if (port !== 0) {
    return {
      url: urlOf(host, port),
      listen: async (server) => {
        server.listen({ port, host, backlog: BACKLOG, reusePort: isShared });
        await once(server, 'listening');
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  const placeholder = createNetServer().listen({ port: 0, host, backlog: BACKLOG, reusePort: isShared });
  await once(placeholder, 'listening');
  let isHandedOver = false;
  return {
    url: urlOf(host, (placeholder.address() as AddressInfo).port),
    listen: async (server) => {
      // Node lets one server listen on the handle of another, which gives its connections to the new one.
      server.listen(placeholder, BACKLOG);
      await once(server, 'listening');
      isHandedOver = true;
    },
    [Symbol.asyncDispose]: async () => {
      if (!isHandedOver) placeholder.close();
    },
  };
}

function urlOf(host: string, port: number): string {
  return `http://${reachableHost(host)}:${port}`;
}

/** How a client on this machine spells the address that we are bound to. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
