import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { identityOf, isRunning, stopProcess, type ProcessIdentity } from '../servers/identity.ts';
import { TOKEN_VARIABLE } from './environment.ts';
import type { ProgressLog } from './progress-log.ts';
import type { RunDir } from './run-dir.ts';
import { KINDS, type Kind, type RecordedProcess, type State } from './state.ts';

/** How long each kind may take to end by itself before it is killed. */
export const GRACE_MS: Record<Kind, number> = {
  // A mapper continues to serve for 1 s after SIGTERM and then drains.
  mapper: 20_000,
  producer: 15_000,
  wire: 2_000,
  redis: 10_000,
  // It writes its changed pages to disk.
  mysql: 60_000,
  zookeeper: 5_000,
  'log-keeper': 2_000,
};

const NAMES: Record<Kind, string> = {
  mapper: 'mappers',
  producer: 'producers',
  wire: 'the wire',
  redis: 'Redis',
  mysql: 'MariaDB',
  zookeeper: 'ZooKeeper',
  'log-keeper': 'the log keeper',
};

/**
 * Stops all processes on record, one kind after the other. Mappers and producers go first, because they still
 * need the servers: mappers give keys back to Redis, producers write to Redis and MySQL, and both close their
 * ZooKeeper sessions. Then it stops processes without a record: workers whose supervisor was killed, and
 * processes whose start was not recorded yet.
 */
export async function stopCluster(runDir: RunDir, state: State, progress: ProgressLog): Promise<void> {
  await rm(runDir.clusterFile, { force: true });
  for (const kind of KINDS) await stopKind(state, kind, progress);
  await stopStrays(state, progress);
  state.recordCounts(undefined);
}

async function stopKind(state: State, kind: Kind, progress: ProgressLog): Promise<void> {
  const all = state.processes().filter((entry) => entry.kind === kind);
  const running = all.filter(isRunning);
  if (running.length > 0)
    progress.line(`stopping ${NAMES[kind]} (${running.map(({ id }) => id).join(', ')}) …`);
  await Promise.all(all.map(async (entry) => stopRecorded(entry, state, progress)));
}

/** Stops one process and removes it from the record. */
export async function stopRecorded(
  { id, kind, pid, startTime }: RecordedProcess,
  state: State,
  progress: ProgressLog,
): Promise<void> {
  const how = await stopProcess({ pid, startTime }, GRACE_MS[kind]);
  if (how === 'killed') progress.line(`${id} did not end within ${GRACE_MS[kind] / 1000} s and was killed`);
  state.forgetProcess(id);
}

async function stopStrays(state: State, progress: ProgressLog): Promise<void> {
  const strays = findStrays(state.token);
  if (strays.length === 0) return;
  progress.line(`stopping left-over processes: ${strays.map(({ pid }) => pid).join(', ')} …`);
  await Promise.all(strays.map(async (stray) => stopProcess(stray, 2_000)));
}

/** All processes that have this cluster's token in their environment. Linux only. */
export function findStrays(token: string): ProcessIdentity[] {
  if (process.platform !== 'linux') return [];
  const mark = `${TOKEN_VARIABLE}=${token}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(mark)) return [];
        const identity = identityOf(Number(name));
        return identity === undefined ? [] : [identity];
      } catch {
        // The process has ended meanwhile, or belongs to another user.
        return [];
      }
    });
}
