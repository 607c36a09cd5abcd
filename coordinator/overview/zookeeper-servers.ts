import { connect } from 'node:net';
import { withDeadline } from '../../runtime/retry.ts';
import { parseConnectString, type Server } from '../connect-string.ts';

/** What a server of the ensemble says about itself. */
export interface ServerAnswer {
  readonly name: string;
  /** `leader`, `follower`, `standalone`, `observer`, or `not serving`; null without an answer. */
  readonly mode: string | null;
  readonly connections: number | null;
}

/** It answers with some 200 bytes. */
const MAX_ANSWER_BYTES = 4_096;

/**
 * Asks every server with `srvr`, the one four-letter word that ZooKeeper answers by default.
 * @throws CoordinationError for an invalid connect string
 */
export async function askServers(connectString: string, timeoutMs: number): Promise<ServerAnswer[]> {
  const { servers } = parseConnectString(connectString);
  return Promise.all(servers.map(async (server) => askServer(server, timeoutMs)));
}

async function askServer(server: Server, timeoutMs: number): Promise<ServerAnswer> {
  const { host, port } = server;
  const name = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const answer = await withDeadline(name, timeoutMs, async (signal) => srvr(server, signal)).catch(() => '');
  const mode = /^Mode: (\w+)/m.exec(answer)?.[1];
  const connections = /^Connections: (\d+)/m.exec(answer)?.[1];
  if (mode !== undefined) return { name, mode, connections: Number(connections ?? Number.NaN) || 0 };
  return { name, mode: answer.includes('not currently serving') ? 'not serving' : null, connections: null };
}

async function srvr({ host, port }: Server, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  const socket = connect({ host, port, signal });
  socket.setEncoding('latin1');
  socket.on('connect', () => socket.write('srvr'));
  socket.on('data', (text: string) => {
    answer += text;
    if (answer.length > MAX_ANSWER_BYTES) socket.destroy();
  });
  socket.once('close', () => resolve(answer));
  socket.once('error', reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
