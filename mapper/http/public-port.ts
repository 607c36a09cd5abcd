import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { ListenConfig } from '../../runtime/config/config.ts';

/** How many connections may wait to be accepted. */
export const BACKLOG = 1_024;

/**
 * The port that clients use. Its number is known before the mapper can serve, so that short URLs can be
 * formed.
 */
export interface PublicPort extends AsyncDisposable {
  /** How a client on this machine reaches it. */
  readonly url: string;
  /** Makes `server` listen. @throws when the port is taken */
  listen(server: Server): Promise<void>;
}

/**
 * Finds the port. A port from the configuration is bound by {@link PublicPort.listen} and not earlier: a load
 * balancer that finds it open would send requests that cannot be answered yet. Port 0 is bound immediately,
 * because only the system can choose its number. No client uses it before we announce it.
 *
 * @param isShared whether other processes listen on the same port: the kernel then distributes the
 *   connections
 * @throws when port 0 of the host cannot be bound
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
  // Nobody can know the port yet. A connection would never be answered by the placeholder, so it is refused.
  placeholder.on('connection', (socket) => socket.destroy());
  await once(placeholder, 'listening');
  let isHandedOver = false;
  return {
    url: urlOf(host, (placeholder.address() as AddressInfo).port),
    listen: async (server) => {
      // Node lets a server listen on the handle of another server: the new one receives all connections from
      // now on.
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
