import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunDir } from './run-dir.ts';

/** The right to start and stop processes of one run folder. Only one `up` or `down` holds it at a time. */
export interface RunLock {
  release(): void;
}

/**
 * Takes the lock; undefined when another process holds it.
 *
 * The lock is a listening socket in Linux's abstract namespace. The kernel gives it to one process only and
 * releases it when that process dies, so no lock is ever stale. (On other systems it is a socket file.)
 */
export async function tryLock(runDir: RunDir): Promise<RunLock | undefined> {
  const name = `keymill-run-${createHash('sha256').update(runDir.path).digest('hex').slice(0, 24)}`;
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name);
  const { promise, resolve, reject } = Promise.withResolvers<Server | undefined>();
  const server = createServer((socket) => socket.destroy());
  server.unref();
  server.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') resolve(undefined);
    else reject(error);
  });
  server.listen({ path, exclusive: true }, () => resolve(server));
  const held = await promise;
  return held === undefined ? undefined : { release: () => void held.close() };
}

/**
 * Takes the lock, and waits as long as another process holds it. `onWait` is called once, when the wait
 * begins.
 */
export async function takeLock(runDir: RunDir, onWait: () => void, signal?: AbortSignal): Promise<RunLock> {
  for (let isFirst = true; ; isFirst = false) {
    const lock = await tryLock(runDir);
    if (lock !== undefined) return lock;
    if (isFirst) onWait();
    await delay(100, undefined, signal ? { signal } : {});
  }
}
