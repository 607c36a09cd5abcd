import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/**
 * Sockets in a thread of their own: they send one and the same request as fast as the mapper reads, and
 * connect again when they are cut off. With `resets` they break off at random.
 */
const THREAD = `
  const { workerData: { port, request, clients, forMs, bytes, resets }, parentPort } = require('node:worker_threads');
  const many = Buffer.from(request.repeat(Math.ceil(60_000 / request.length)));
  let received = 0;
  let timer;
  const sockets = new Set();
  const open = () => {
    const socket = require('node:net').connect(port, '127.0.0.1');
    let left = resets ? Math.random() ** 3 * 2_000_000 : Infinity;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (received === 0) {
        parentPort.postMessage('begun');
        timer = setTimeout(end, forMs);
      }
      received += chunk.length;
      left -= chunk.length;
      if (received >= bytes) end();
      else if (left < 0) socket.resetAndDestroy();
    });
    const fill = () => { while (!socket.destroyed && socket.write(many)); };
    socket.on('drain', fill);
    socket.on('close', () => { if (sockets.delete(socket)) open(); });
    sockets.add(socket);
    fill();
  };
  const end = () => {
    for (const socket of sockets) { sockets.delete(socket); socket.destroy(); }
    parentPort.postMessage(received);
    clearTimeout(timer);
  };
  for (let count = 0; count < clients; count += 1) open();
`;

export interface PipelinersOptions {
  readonly port: number;
  readonly request: string;
  readonly clients?: number;
  /** They end this long after the first answer, or when they have received so many bytes. */
  readonly forMs: number;
  readonly bytes?: number;
  readonly resets?: boolean;
}

/** @returns when a client has the first answer. `bytes` are those of all answers, when the clients end. */
export async function startPipeliners({
  clients = 10,
  bytes = Infinity,
  resets = false,
  ...options
}: PipelinersOptions): Promise<{ readonly bytes: Promise<number> }> {
  const workerData = { ...options, clients, bytes, resets };
  const thread = new Worker(THREAD, { eval: true, workerData });
  await once(thread, 'message');
  return { bytes: once(thread, 'message').then(([received]) => received as number) };
}
