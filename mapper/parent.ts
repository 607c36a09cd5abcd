import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createKeyspace } from '../db/keyspace/key.ts';
import { aborted } from '../runtime/aborted.ts';
import type { ListenConfig, MapperConfig } from '../runtime/config/config.ts';
import type { Scope } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import { openPresence } from './presence.ts';
import { ProcessGroup } from './processes/process-group.ts';

/**
 * The parent process of a mapper with several processes: keeps them running and answers on the admin port for
 * all.
 */
export async function startProcesses(config: MapperConfig, scope: Scope, log: Log): Promise<void> {
  const { id, processes } = config;
  const port = await findPort(config.http);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const group = new ProcessGroup({
    id,
    port,
    processes,
    signal: scope.signal,
    log,
    onHopeless: (error) => failed.reject(error),
  });
  // Released last, so that the audit can ask for the keys until the last process has ended.
  const presences = scope.use('presence', new AsyncDisposableStack());
  scope.onRelease('processes', async () => group.stop());
  const serving = await Promise.race([group.serving(), failed.promise, aborted(scope.signal)]);
  if (serving === undefined) return;
  const presence = presences.use(
    await openPresence({
      config,
      publicUrl: serving.publicUrl,
      metrics: group.metrics,
      ready: async () => group.readiness(),
      reserve: async () => group.heldKeys(),
      keyspace: () => createKeyspace(config.stores.keys),
      log,
    }),
  );
  log.info(
    { url: serving.url, publicUrl: serving.publicUrl, admin: presence.adminUrl, processes },
    'mapper serves',
  );
}

/**
 * Whether the system lets several processes listen on one port and distributes connections; macOS and Windows
 * do not.
 */
export async function canSharePort(): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ host: '127.0.0.1', port: 0, reusePort: true });
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    if (probe.listening) probe.close();
  }
}

/**
 * The port to share, checked to be free. Only the processes of one mapper may share it: without this check a
 * second mapper could start on the same port and get half of the first one's requests.
 * @throws when it is taken
 */
async function findPort({ host, port }: ListenConfig): Promise<number> {
  const probe = createServer().listen({ host, port });
  await once(probe, 'listening');
  const found = (probe.address() as AddressInfo).port;
  probe.close();
  await once(probe, 'close');
  return found;
}
