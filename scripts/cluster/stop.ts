import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { identityOf, isRunning, stopProcess, type ProcessIdentity } from '../servers/identity.ts';
import { TOKEN_VARIABLE } from './environment.ts';
import type { ProgressLog } from './progress-log.ts';
import type { RunDir } from './run-dir.ts';
import { KINDS, type Kind, type RecordedProcess, type State } from './state.ts';

/** How long each kind may take to end in good order before it is killed. */
export const GRACE_MS: Record<Kind, number> = {
  // A mapper serves on for 1 s after SIGTERM and then drains.
  mapper: 20_000,
  producer: 15_000,
  wire: 2_000,
  redis: 10_000,
  // It writes its changed pages back.
  mysql: 60_000,
  zookeeper: 5_000,
};

const NAMES: Record<Kind, string> = {
  mapper: 'mappers',
  producer: 'producers',
  wire: 'the wire',
  redis: 'Redis',
  mysql: 'MariaDB',
  zookeeper: 'ZooKeeper',
};

/**
 * Stops everything on record, kind after kind: mappers give their keys back to Redis, producers write to Redis and MySQL, and
 * ZooKeeper sees the sessions end. Then whatever else this cluster started is ended: a worker whose supervisor was killed, a process
 * whose start was not yet on record.
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

/** Stops one process and takes it off the record. */
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
  progress.line(`stopping what was left over: process ${strays.map(({ pid }) => pid).join(', ')} …`);
  await Promise.all(strays.map(async (stray) => stopProcess(stray, 2_000)));
}

/** Processes that carry this cluster's random token in their environment; Linux only. */
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
        // Gone meanwhile, or somebody else's.
        return [];
      }
    });
}
