import type { Addresses } from '../../scripts/cluster/environment.ts';
import { FaultyProxy } from '../proxy/proxy.ts';
import type { DrillRun } from './drill-run.ts';

/** Proxies by the name of the server behind them: `zookeeper-1`, `urls-1`, … */
type Proxies = ReadonlyMap<string, FaultyProxy>;

/** Which servers a process reaches through proxies. */
type ServerKind = 'zookeeper' | 'urls';

/**
 * Restarts a producer or mapper so that it reaches these servers through proxies of its own. Other processes
 * still connect directly. `undo('proxies')` restarts the process without them.
 */
export async function restartBehindProxies(run: DrillRun, id: string, kind: ServerKind): Promise<Proxies> {
  const { cluster } = run;
  const proxies = new Map<string, FaultyProxy>();
  run.undoLater('proxies', async () => {
    for (const proxy of proxies.values()) proxy.heal();
    await cluster.kill(id, 'SIGTERM');
    await cluster.startMissing();
    await Promise.all([...proxies.values()].map(async (proxy) => proxy.stop()));
  });
  const addresses = await startProxies(run, kind, proxies);
  run.event(`${id} is restarted behind proxies to ${[...proxies.keys()].join(', ')}`);
  await cluster.kill(id, 'SIGTERM');
  await cluster.startMissing({ addresses });
  await run.untilQuiesced();
  return proxies;
}

/** Starts a proxy for each server and puts it into `proxies`. Returns the addresses of the proxies. */
export async function startProxies(
  { cluster }: Pick<DrillRun, 'cluster'>,
  kind: ServerKind,
  proxies: Map<string, FaultyProxy>,
): Promise<Partial<Addresses>> {
  const start = async (name: string, port: number): Promise<number> => {
    const proxy = await FaultyProxy.start({ host: '127.0.0.1', port });
    proxies.set(name, proxy);
    return proxy.port;
  };
  const { zookeeper, urlsDbs } = cluster.file;
  if (kind === 'zookeeper') {
    const servers = await Promise.all(
      zookeeper.servers.map(async ({ id, port }) => `127.0.0.1:${await start(`zookeeper-${id}`, port)}`),
    );
    return { zookeeper: servers.join(',') };
  }
  return {
    urlsDbs: await Promise.all(
      urlsDbs.map(async ({ name, url, slots }) => {
        const target = new URL(url);
        target.port = String(await start(name, Number(target.port)));
        return { name, slots, url: target.href };
      }),
    ),
  };
}
