import { join } from 'node:path';
import { stopProcess } from '../servers/identity.ts';
import { reservePort, type ReservedPort } from '../servers/ports.ts';
import { startServer } from '../servers/process.ts';
import type { WireEntry } from './cluster-file.ts';
import { addressesOf, firstPort, numbered, TOKEN_VARIABLE, type Addresses } from './environment.ts';
import { tryGet } from './http.ts';
import { REPOSITORY } from './run-dir.ts';
import type { Launch } from './servers.ts';
import { mysqlServersOf, type Shape } from './shape.ts';
import type { State } from './state.ts';
import { GRACE_MS } from './stop.ts';

/**
 * The wire of `up --faultable`: one process with a proxy in front of every server. Producers and mappers
 * connect to the proxies.
 */

/** The id of the process and of its control port on record. The port of a proxy is `wire/redis-1`. */
const WIRE = 'wire';
const USUAL_PORT = 9301;
const READY_TIMEOUT_MS = 10_000;

/** A cluster that was started with a wire keeps it until it is stopped. */
export function isFaultable(state: State): boolean {
  return state.processes().some(({ kind }) => kind === 'wire');
}

/** Starts the wire, or restarts it when a server has moved to another port. */
export async function startWire(
  shape: Shape,
  { runDir, state, progress, signal, onSpawn }: Launch,
): Promise<void> {
  const servers = serversOf(shape).map((name) => ({ name, port: state.port(name) ?? 0 }));
  const wanted = servers.map(({ name, port }) => `${name}:${port}`).join(' ');
  const running = state.findRunning(WIRE);
  if (running !== undefined && state.configOf(WIRE) === wanted) return;
  if (running !== undefined) await stopProcess(running, GRACE_MS.wire);
  const reserved: ReservedPort[] = [];
  const reserve = async (id: string, usual: number): Promise<number> => {
    const taken = await reservePort(state.port(id) ?? firstPort(usual));
    reserved.push(taken);
    state.recordPort(id, taken.port);
    return taken.port;
  };
  try {
    const control = await reserve(WIRE, USUAL_PORT);
    const proxies: string[] = [];
    for (const [index, { name, port }] of servers.entries())
      proxies.push(`${name}:${await reserve(proxyId(name), USUAL_PORT + 1 + index)}:${port}`);
    await startServer({
      id: WIRE,
      command: process.execPath,
      args: [join(REPOSITORY, 'drills/proxy/wire-main.ts'), '--control', String(control), ...proxies],
      logFile: runDir.logOf(WIRE),
      env: { ...process.env, [TOKEN_VARIABLE]: state.token },
      dieWithParent: false,
      port: control,
      // Any answer is enough: without the token it is 401.
      probe: async () => (await tryGet(`http://127.0.0.1:${control}/`)) !== undefined,
      readyTimeoutMs: READY_TIMEOUT_MS,
      stopTimeoutMs: GRACE_MS.wire,
      onSpawn: (spawned) => onSpawn(WIRE, 'wire', spawned),
      signal,
    });
    state.recordConfig(WIRE, wanted);
    progress.line(`wire ready in front of ${servers.length} servers; its control is on port ${control}`);
  } finally {
    for (const port of reserved) port.release();
  }
}

/** The addresses that producers and mappers use: those of the wire, if the cluster has one. */
export function memberAddresses(shape: Shape, state: State): Addresses {
  const id = (server: string): string => (isFaultable(state) ? proxyId(server) : server);
  return addressesOf(shape, state, (server) => state.port(id(server)) ?? 0);
}

export function describeWire(shape: Shape, state: State): WireEntry | undefined {
  if (!isFaultable(state)) return undefined;
  return {
    control: `http://127.0.0.1:${state.port(WIRE) ?? 0}`,
    pid: state.findRunning(WIRE)?.pid ?? 0,
    proxies: serversOf(shape).map((name) => ({ name, port: state.port(proxyId(name)) ?? 0 })),
  };
}

function serversOf(shape: Shape): string[] {
  return [
    ...numbered('zookeeper', shape.zookeepers),
    ...numbered('redis', shape.redis),
    ...mysqlServersOf(shape.mysqlServers).map(({ name }) => name),
  ];
}

function proxyId(server: string): string {
  return `${WIRE}/${server}`;
}
