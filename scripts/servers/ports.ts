import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';

/** A port that no other process with this module chooses until it is released or this process ends. */
export interface ReservedPort {
  readonly port: number;
  release(): void;
}

/**
 * Reserves the first free TCP port on the loopback address, from `preferred` on, within `span` ports.
 *
 * A server binds its port some time after the port was chosen, and other clusters and test runs choose at the
 * same moment. So the reservation is a UDP socket on the same port number. The kernel gives it to one process
 * only and releases it when that process dies, and the TCP port stays free for the server. Release it when
 * the server listens.
 * @throws Error when none of these ports is free
 */
export async function reservePort(preferred: number, span = 400): Promise<ReservedPort> {
  for (let port = preferred; port < Math.min(preferred + span, 65_536); port++) {
    const reserved = await tryReserve(port);
    if (reserved !== undefined) return reserved;
  }
  throw new Error(
    `no free port from ${preferred} to ${preferred + span - 1} on ${HOST}: stop the programs that use them`,
  );
}

/** Reserves a free port, far from the usual ones and below the kernel's range for outgoing connections. */
export async function reserveAnyPort(): Promise<ReservedPort> {
  return reservePort(20_000 + Math.floor(Math.random() * 12_000));
}

/** Whether a server can listen on this TCP port of the loopback address now. */
export async function isPortFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}

async function tryReserve(port: number): Promise<ReservedPort | undefined> {
  const socket = await tryBindUdp(port);
  if (socket === undefined) return undefined;
  if (await isPortFree(port)) return { port, release: () => closeOnce(socket) };
  closeOnce(socket);
  return undefined;
}

async function tryBindUdp(port: number): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>();
  const socket = createSocket('udp4');
  socket.unref();
  socket.once('error', () => {
    socket.close();
    resolve(undefined);
  });
  socket.bind({ port, address: HOST, exclusive: true }, () => resolve(socket));
  return promise;
}

const closed = new WeakSet<Socket>();

function closeOnce(socket: Socket): void {
  if (closed.has(socket)) return;
  closed.add(socket);
  socket.close();
}
