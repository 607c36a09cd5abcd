import { FaultyProxy } from '../proxy/proxy.ts';
import type { Addresses } from '../../scripts/cluster/environment.ts';
import type { Stage } from './stage.ts';

/** The wire between one process and some of its servers: proxies that the drill can make lie. */
export interface Wire {
  /** By the name of what they stand before: `zookeeper-1`, `urls-1`, … */
  readonly proxies: ReadonlyMap<string, FaultyProxy>;
}

type Before = 'zookeeper' | 'urls';

/**
 * Restarts a producer or mapper so that it reaches these servers through proxies of its own, and everybody else goes on as before.
 * `undo('wire')` restarts it without them.
 */
export async function putOnWire(stage: Stage, id: string, before: Before): Promise<Wire> {
  const { cluster } = stage;
  const proxies = new Map<string, FaultyProxy>();
  stage.undoLater('wire', async () => {
    for (const proxy of proxies.values()) proxy.heal();
    await cluster.kill(id, 'SIGTERM');
    await cluster.startMissing();
    await Promise.all([...proxies.values()].map(async (proxy) => proxy.stop()));
  });
  const detour = async (name: string, port: number): Promise<number> => {
    const proxy = await FaultyProxy.start({ host: '127.0.0.1', port });
    proxies.set(name, proxy);
    return proxy.port;
  };
  const { zookeeper, urlsDbs } = cluster.file;
  let changed: Partial<Addresses>;
  if (before === 'zookeeper') {
    const servers = await Promise.all(
      zookeeper.servers.map(
        async (server) => `127.0.0.1:${await detour(`zookeeper-${server.id}`, server.port)}`,
      ),
    );
    changed = { zookeeper: servers.join(',') };
  } else {
    changed = {
      urlsDbs: await Promise.all(
        urlsDbs.map(async ({ name, url, slots }) => {
          const target = new URL(url);
          target.port = String(await detour(name, Number(target.port)));
          return { name, slots, url: target.href };
        }),
      ),
    };
  }
  stage.event(`${id} is restarted behind proxies to ${[...proxies.keys()].join(', ')}`);
  await cluster.kill(id, 'SIGTERM');
  await cluster.startMissing({ addresses: changed });
  await stage.quiet();
  return { proxies };
}
