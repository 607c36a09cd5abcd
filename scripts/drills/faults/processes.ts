import { signalProcess } from '../../servers/identity.ts';
import type { Drill } from '../drill.ts';
import type { Stage } from '../stage/stage.ts';

/** Drills that end, stop or replace our own processes. */

/** A producer that holds something, and what. */
function chooseHolder(stage: Stage): { producer: string; shards: string[] } {
  const [producer, shards] = stage.pick([...stage.holdings()]);
  return { producer, shards };
}

export const workerKill: Drill = {
  name: 'worker-kill',
  does: 'kill -9 of a worker: its supervisor frees the lock at once, another producer holds it and refills',
  needs: [],
  rounds: 50,
  goals: () => ({ failedShortens: 0, failedRedirects: 0, unownedP50Ms: 50, unownedMaxMs: 500 }),
  round: async (stage) => {
    const { producer, shards } = chooseHolder(stage);
    const before = stage.reignsOf(shards);
    const worker = await stage.cluster.workerOf(producer);
    const end = stage.beginFault(
      `kill -9 of ${producer}'s worker (process ${worker.pid}), which holds ${shards.join(', ')}`,
    );
    const sinceMs = stage.nowMs;
    signalProcess(worker, 'SIGKILL');
    await stage.takenOver(before, sinceMs);
    end();
  },
};

export const PROCESS_DRILLS: readonly Drill[] = [workerKill];
