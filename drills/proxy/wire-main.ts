import { parseArgs } from 'node:util';
import { FaultyProxy } from './proxy.ts';
import { startControl } from './wire-control.ts';

/**
 * The wire: a process that `up --faultable` puts in front of all servers of a cluster. It has one proxy for
 * each server, and a control channel on the loopback address for clients with the cluster's token.
 *
 *     node wire-main.ts --control 9301 redis-1:9302:6379 …    (name : port to listen on : server's port)
 */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { control: { type: 'string' } },
    allowPositionals: true,
  });
  const proxies = new Map<string, FaultyProxy>();
  for (const [name = '', listen, server] of positionals.map((proxy) => proxy.split(':')))
    proxies.set(name, await FaultyProxy.start({ host: '127.0.0.1', port: Number(server) }, Number(listen)));
  const token = process.env['KEYMILL_RUN_TOKEN'] ?? '';
  const control = await startControl(proxies, { port: Number(values.control), token });
  const stop = async (): Promise<void> => {
    control.close();
    control.closeAllConnections();
    await Promise.all([...proxies.values()].map(async (proxy) => proxy.stop()));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
}

try {
  await main();
} catch (error) {
  process.stderr.write(`keymill wire: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
