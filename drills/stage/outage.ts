import type { Stage } from './stage.ts';

/** Servers and processes that are away for a while, and come back. */

/** Kills them all at once by SIGKILL and starts them again after `ms`; returns when servers answer again. */
export async function killFor(
  stage: Stage,
  names: readonly string[],
  ms: number,
  slotsDown: readonly number[] = [],
): Promise<void> {
  const { cluster } = stage;
  const all = names.join(' and ');
  stage.undoLater('restart', async () => cluster.startMissing());
  const end = stage.beginFault(`kill -9 of ${all}`, slotsDown);
  await Promise.all(names.map(async (name) => cluster.kill(name)));
  await stage.pause(ms);
  stage.event(`${all} started again`);
  await stage.undo('restart');
  end();
}

/** Stops it for `ms` by SIGSTOP: it accepts connections and answers nothing. */
export async function stopFor(stage: Stage, name: string, ms: number): Promise<void> {
  stage.undoLater('continue', () => void stage.cluster.signal(name, 'SIGCONT'));
  const end = stage.beginFault(`SIGSTOP of ${name} for ${ms / 1000} s`);
  stage.cluster.signal(name, 'SIGSTOP');
  await stage.pause(ms);
  stage.event(`SIGCONT of ${name}`);
  await stage.undo('continue');
  end();
}
