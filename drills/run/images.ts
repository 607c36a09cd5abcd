import type { StartOverrides } from '../cluster/start-processes.ts';
import { ImageClient } from '../load/image-client.ts';
import { ImageLoad } from '../load/image-load.ts';
import { signUp } from '../load/own-links-client.ts';
import type { DrillRun } from './drill-run.ts';
import { startStore, type DrillStore, type StoreKind } from './image-stores.ts';
import { checkStore, type CheckedStore } from './image-sweep.ts';

/** Clients that post and look at images, and the store that has them. */
export interface Images {
  readonly store: DrillStore;
  readonly load: ImageLoad;
  /** When the store was empty, by the clock of this machine. */
  readonly since: Date;
}

/**
 * Restarts all mappers with a new, empty store of images, and posts images to them until
 * {@link endImages}. `run.undoAll()` gives the mappers their own store again.
 */
export async function startImages(run: DrillRun, kind: StoreKind): Promise<Images> {
  const { balancer, runId } = run.load;
  const since = new Date();
  const store = await startStore(run, kind);
  run.undoLater('mappers', async () => restartMappers(run));
  await restartMappers(run, environmentOf(store));
  const client = new ImageClient({
    balancer,
    history: run.history,
    runId: `${runId}/${kind}/${since.getTime()}`,
    apiKey: await signUp(balancer),
  });
  const mappers = balancer.backends.map(({ id }) => id);
  const load = new ImageLoad({ client, mappers, random: run.random });
  run.undoLater('images', async () => load.stop());
  return { store, load, since };
}

/** With this a mapper is started that has these images. */
export function environmentOf({ blobs }: DrillStore): StartOverrides {
  return { environment: { KEYMILL_BLOBS: blobs } };
}

/** Ends the load, looks at every image through every mapper, and sweeps the store. */
export async function endImages(run: DrillRun, { store, load, since }: Images): Promise<CheckedStore> {
  await run.undo('images');
  run.event(`${load.acked} images were acknowledged; all are looked at`);
  if (load.acked === 0) run.violation('no image could be posted');
  await load.viewAll();
  return checkStore(run, store.direct, since);
}

/** One after the other, so that links are served all the time. */
async function restartMappers(run: DrillRun, overrides: StartOverrides = {}): Promise<void> {
  for (const { id } of run.cluster.file.mappers) {
    await run.cluster.kill(id, 'SIGTERM');
    await run.cluster.startMissing(overrides);
    await run.untilQuiesced();
  }
}
