import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

const FAULT_MS = 5_000;

const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']
  .map((folder) => join(folder, 'faketime', 'libfaketime.so.1'))
  .find((path) => existsSync(path));

export function hasFaketime(): boolean {
  return FAKETIME !== undefined;
}

/**
 * Restarts processes with a wall clock that libfaketime controls, until `undo('clock')`.
 * @returns a function that sets this clock, as an offset in seconds from the real one
 */
async function replaceClock(
  run: DrillRun,
  ids: readonly string[],
): Promise<(offset: string) => Promise<void>> {
  const { cluster } = run;
  const folder = await mkdtemp(join(tmpdir(), 'keymill-clock-'));
  const file = join(folder, 'clock');
  const setClock = async (offset: string): Promise<void> => writeFile(file, `${offset}\n`);
  const stop = async (): Promise<void> => {
    for (const id of ids) await cluster.kill(id, 'SIGTERM');
  };
  await setClock('+0');
  run.undoLater('clock', async () => {
    await stop();
    await cluster.startMissing();
    await rm(folder, { recursive: true });
  });
  run.event(`${ids.join(' and ')} are restarted with a wall clock of their own`);
  await stop();
  await cluster.startMissing({
    environment: {
      LD_PRELOAD: FAKETIME ?? '',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // A step changes only the wall clock.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
  });
  await run.reigns.untilBalanced();
  await run.untilQuiesced();
  return setClock;
}

export const clockStep: Drill = {
  name: 'clock-step',
  does:
    'Sets the wall clock of a producer and a mapper an hour ahead, then an hour behind. No reign ends and ' +
    'no request fails.',
  needs: ['faketime'],
  rounds: 1,
  round: async (run) => {
    const { cluster } = run;
    const { producer } = run.pickHolder();
    const { id: mapper } = run.pick(cluster.file.mappers);
    const setClock = await replaceClock(run, [producer, mapper]);
    const before = run.reigns.of(cluster.shards);
    const end = run.beginFault('their clocks are an hour ahead');
    await setClock('+3600');
    await run.pause(FAULT_MS);
    run.event('their clocks are an hour behind');
    await setClock('-3600');
    await run.pause(FAULT_MS);
    run.reigns.expectSame(before);
    end();
    await run.undo('clock');
  },
};
