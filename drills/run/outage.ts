import type { StartOverrides } from '../cluster/start-processes.ts';
import type { DrillRun } from './drill-run.ts';

/**
 * Kills servers or processes together by SIGKILL and starts them again after `ms`. Returns when the servers
 * answer again.
 * @param slotsDown slots whose urls server is among them
 * @param overrides how they start again
 */
export async function killFor(
  run: DrillRun,
  names: readonly string[],
  ms: number,
  slotsDown: readonly number[] = [],
  overrides: StartOverrides = {},
): Promise<void> {
  const { cluster } = run;
  const all = names.join(' and ');
  run.undoLater('restart', async () => cluster.startMissing(overrides));
  const end = run.beginFault(`kill -9 of ${all}`, slotsDown);
  await Promise.all(names.map(async (name) => cluster.kill(name)));
  await run.rest(ms);
  run.event(`restart of ${all}`);
  await run.undo('restart');
  end();
}

/** Stops a server for `ms` by SIGSTOP: it accepts connections and does not answer. */
export async function stopFor(run: DrillRun, name: string, ms: number): Promise<void> {
  run.undoLater('continue', () => void run.cluster.signal(name, 'SIGCONT'));
  const end = run.beginFault(`SIGSTOP of ${name} for ${ms / 1000} s`);
  run.cluster.signal(name, 'SIGSTOP');
  await run.pause(ms);
  run.event(`SIGCONT of ${name}`);
  await run.undo('continue');
  end();
}
