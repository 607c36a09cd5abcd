import type { ProgressLog } from './progress-log.ts';
import type { Kind, RecordedProcess, State } from './state.ts';
import { stopRecorded } from './stop.ts';

/** What a failed `up` takes back. */
interface RollBack {
  readonly stops: readonly RecordedProcess[];
  /**
   * Whether the record gets its former stores again. They stay when members use the new ones: keys of them
   * may be in use.
   */
  readonly restoresStores: boolean;
}

/**
 * What ran before `up` goes on running, also what it has restarted since: otherwise nobody would serve.
 * Servers that were started for members that run now stay as well. Pure.
 * @param ranBefore ids of the processes that ran when `up` began
 * @param runsNow ids of those that run now
 */
export function rollBackOf(
  started: readonly RecordedProcess[],
  ranBefore: ReadonlySet<string>,
  runsNow: ReadonlySet<string>,
): RollBack {
  const isMember = ({ kind }: { kind: Kind }): boolean => kind === 'mapper' || kind === 'producer';
  const restarted = started.filter((entry) => isMember(entry) && ranBefore.has(entry.id));
  const keepsStores = restarted.some(({ id }) => runsNow.has(id));
  return {
    stops: started.filter((entry) => !ranBefore.has(entry.id) && (!keepsStores || isMember(entry))),
    restoresStores: !keepsStores,
  };
}

/** Ids of the processes on record that run. */
export function runningIds(state: State): Set<string> {
  const all = state.processes().map(({ id }) => id);
  return new Set(all.filter((id) => state.findRunning(id) !== undefined));
}

/** Stops these processes, those first that use the others. */
export async function stopStarted(
  entries: readonly RecordedProcess[],
  state: State,
  progress: ProgressLog,
): Promise<void> {
  if (entries.length > 0) progress.line('stopping the started processes …');
  for (const group of [['mapper'], ['producer'], ['wire', 'redis', 'mysql', 'zookeeper', 'log-keeper']]) {
    await Promise.all(
      entries
        .filter(({ kind }) => group.includes(kind))
        .map(async (entry) => stopRecorded(entry, state, progress)),
    );
  }
}
