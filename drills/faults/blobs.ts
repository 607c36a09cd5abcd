import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { STORE_KINDS, type StoreKind } from '../run/image-stores.ts';
import { endImages, startImages } from '../run/images.ts';

/** Drills on the store of images. Links must not notice them. */

const CALM_MS = 6_000;
const FAULT_MS = 12_000;
/** What the store needs to be found again. */
const AFTER_MS = 4_000;
const DELAY_MS = 3_000;
/** 4 KB a second: a picture of 110 KB takes half a minute. */
const DRIPS = { bytes: 200, everyMs: 50 };
const S3 = 's3';

const blobsDown: Drill = {
  name: 'blobs-down',
  does:
    'The store of images vanishes for 12 s: the directory as when its disk is unmounted, the S3 server by ' +
    'kill -9. Images are refused until it is back, and then all are there with their bytes; links are served ' +
    'as before.',
  needs: [],
  rounds: 2,
  parts: STORE_KINDS,
  round: async (run, part) => {
    const images = await startImages(run, kindOf(part));
    await run.calm(CALM_MS);
    const end = run.beginFault(`the store of images (${part}) is gone`);
    const bringBack = await images.store.vanish();
    await run.pause(FAULT_MS);
    await bringBack();
    run.event('the store of images is back');
    end();
    await run.pause(AFTER_MS);
    await endImages(run, images);
  },
};

const blobsSlow: Drill = {
  name: 'blobs-slow',
  does:
    'The S3 server with the images answers 3 s late, then at 4 KB/s. Images are slow or refused, none is ' +
    'lost or mixed up, and links are served as before.',
  needs: [],
  rounds: 2,
  round: async (run) => {
    const images = await startImages(run, S3);
    const { proxy } = images.store;
    if (proxy === undefined) throw new Error('there is no proxy in front of the S3 server');
    run.undoLater('slow', () => proxy.heal());
    await run.calm(CALM_MS);
    await slowDown(run, `the S3 server answers ${DELAY_MS / 1_000} s late`, () => proxy.delay(DELAY_MS));
    proxy.heal();
    await slowDown(run, 'the S3 server answers in drips', () => proxy.drip(DRIPS));
    await run.undo('slow');
    await run.pause(AFTER_MS);
    await endImages(run, images);
  },
};

async function slowDown(run: DrillRun, what: string, begin: () => void): Promise<void> {
  const end = run.beginFault(what);
  begin();
  await run.pause(FAULT_MS);
  end();
}

function kindOf(part: string): StoreKind {
  return STORE_KINDS.find((kind) => kind === part) ?? S3;
}

export const BLOB_DRILLS: readonly Drill[] = [blobsDown, blobsSlow];
