import { fork } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { median } from '../runtime/statistics.ts';
import { cpuMsOfOne } from './world/cpu.ts';

/**
 * Three ways for two processes to serve one port: how 64 kept connections spread over them, opened together
 * and one by one, and the CPU time of a connection. Run by hand for decision 9: `node bench/port-spread.ts`.
 * Linux only.
 */
const WAYS = ['reusePort', 'cluster, round robin', 'cluster, shared handle'] as const;
type Way = (typeof WAYS)[number];

const CONNECTIONS = 64;
const ROUNDS = 100;
const SHORT_CONNECTIONS = 6_000;
const CLIENTS = 16;

interface Serving {
  readonly port: number;
  readonly pids: number[];
}

const [way, port] = process.argv.slice(2);
if (way === undefined) for (const each of WAYS) await show(each);
else if (way === 'reusePort') serve(Number(port), true);
else if (cluster.isPrimary) await lead(way);
else serve(0, false);

async function show(shown: Way): Promise<void> {
  const first = fork(import.meta.filename, [shown, '0']);
  const serving = await servingOf(first);
  const second =
    shown === 'reusePort' ? fork(import.meta.filename, [shown, String(serving.port)]) : undefined;
  const pids = [...serving.pids, ...(second === undefined ? [] : (await servingOf(second)).pids)];
  const together: number[] = [];
  const oneByOne: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    together.push(await smallerShare(serving.port, CONNECTIONS));
    oneByOne.push(await smallerShare(serving.port, 1));
  }
  const costUs = await cpuPerConnection(serving.port, pids);
  process.stdout.write(
    `${shown}: of ${CONNECTIONS}, the process with fewer has: together ${spread(together)}; one by one ${spread(oneByOne)}; ` +
      `CPU per connection ${costUs.map((us) => us.toFixed(0)).join(' + ')} µs\n`,
  );
  first.disconnect();
  second?.disconnect();
}

async function smallerShare(at: number, parallel: number): Promise<number> {
  const open: { pid: string; socket: Socket }[] = [];
  while (open.length < CONNECTIONS)
    open.push(...(await Promise.all(Array.from({ length: parallel }, async () => ask(at)))));
  for (const { socket } of open) socket.destroy();
  const ofOne = open.filter(({ pid }) => pid === open[0]?.pid).length;
  return Math.min(ofOne, CONNECTIONS - ofOne);
}

async function cpuPerConnection(at: number, pids: readonly number[]): Promise<number[]> {
  const before = pids.map(cpuMsOfOne);
  let left = SHORT_CONNECTIONS;
  const client = async (): Promise<void> => {
    while (left-- > 0) (await ask(at)).socket.destroy();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return pids.map((pid, index) => ((cpuMsOfOne(pid) - (before[index] ?? 0)) * 1_000) / SHORT_CONNECTIONS);
}

async function ask(at: number): Promise<{ pid: string; socket: Socket }> {
  const socket = connect(at, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return { pid: /X-Pid: (\d+)/.exec(answer.toString())?.[1] ?? '', socket };
}

async function lead(as: string): Promise<void> {
  cluster.schedulingPolicy = as === WAYS[1] ? cluster.SCHED_RR : cluster.SCHED_NONE;
  const workers = [cluster.fork(), cluster.fork()];
  const servings = await Promise.all(workers.map(async (worker) => servingOf(worker)));
  const pids = [process.pid, ...servings.flatMap((serving) => serving.pids)];
  process.send?.({ port: servings[0]?.port, pids });
  process.once('disconnect', () => process.exit());
}

function serve(at: number, reusePort: boolean): void {
  const server = createServer((_request, response) => response.setHeader('X-Pid', process.pid).end('x'));
  server.listen({ port: at, host: '127.0.0.1', reusePort, backlog: 1_024 }, () => {
    process.send?.({ port: (server.address() as AddressInfo).port, pids: [process.pid] });
  });
  process.once('disconnect', () => process.exit());
}

async function servingOf(child: NodeJS.EventEmitter): Promise<Serving> {
  const [serving] = (await once(child, 'message')) as [Serving];
  return serving;
}

function spread(counts: readonly number[]): string {
  return `median ${median(counts)}, least ${Math.min(...counts)}`;
}
