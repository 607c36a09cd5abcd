import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { ListenConfig, MapperConfig } from '../runtime/config/config.ts';
import type { Scope } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import { ProcessGroup } from './processes/process-group.ts';
import { openPresence } from './presence.ts';

/** The whole of a mapper's parent process, when it has several: it keeps them running and speaks for them. */
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
  // Released last: until the last process is gone, its keys must be told.
  const presences = scope.use('presence', new AsyncDisposableStack());
  scope.onRelease('processes', async () => group.stop());
  const stopped = new Promise<undefined>((resolve) => {
    scope.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const serving = await Promise.race([group.serving(), failed.promise, stopped]);
  if (serving === undefined) return;
  const presence = presences.use(
    await openPresence({
      config,
      publicUrl: serving.publicUrl,
      metrics: group.metrics,
      ready: async () => group.readiness(),
      reserve: async () => group.heldKeys(),
      log,
    }),
  );
  log.info(
    { url: serving.url, publicUrl: serving.publicUrl, admin: presence.adminUrl, processes },
    'mapper serves',
  );
}

/** Whether the system lets several processes listen on one port and deals connections out; macOS and Windows do not. */
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
 * The port to share, free until now. Sharing it is a thing among these processes only: without this look, a second mapper on the
 * same port would be no error, and would get half of the first one's requests.
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
