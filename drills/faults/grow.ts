import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

const IN_ONE_GO = 'in one go';
const KILLED = 'back and forth, killed in every step';

/** The steps of `keymill grow`, in their order. */
const STEPS = ['mapper', 'memory', 'zookeeper', 'stores', 'producers', 'pools'];
/** A step takes about as long on a machine that runs nothing else. */
const LONGEST_STEP_MS = 8_000;
const SHORTEST_MS = 300;

export const grow: Drill = {
  name: 'grow',
  does:
    'Makes a full cluster of a small one, while links are made and followed. Then it undoes every step and makes it ' +
    'again. Each command is killed by SIGKILL at a random moment and repeated.',
  needs: [],
  isForSmall: true,
  isDestructive: true,
  rate: 20,
  rounds: 1,
  parts: [IN_ONE_GO, KILLED],
  round: async (run, part) => {
    const end = run.beginFault(part === IN_ONE_GO ? 'the cluster grows' : 'it shrinks and grows again');
    if (part === IN_ONE_GO) await run.cluster.keymill('grow', '--yes');
    else {
      for (const step of STEPS.toReversed()) await killedOnce(run, `undoing ${step}`, 'grow', '--undo', step);
      run.event('the cluster is small again');
      for (const step of STEPS) await killedOnce(run, step, 'grow', '--step', step);
    }
    end();
  },
};

/** Kills the command in its work, and runs it again. One that was quicker is not run a second time. */
async function killedOnce(run: DrillRun, what: string, ...args: string[]): Promise<void> {
  const afterMs = Math.round(SHORTEST_MS + run.random() * (LONGEST_STEP_MS - SHORTEST_MS));
  if (await run.cluster.keymillKilled(afterMs, ...args)) {
    run.event(`${what} was done before its kill`);
    return;
  }
  run.event(`${what}: killed after ${afterMs} ms`);
  await run.cluster.keymill(...args);
}
