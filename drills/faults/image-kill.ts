import { setTimeout as delay } from 'node:timers/promises';
import type { StartOverrides } from '../cluster/start-processes.ts';
import { FaultyProxy } from '../proxy/proxy.ts';
import { startProxies } from '../run/behind-proxies.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import type { DrillStore } from '../run/image-stores.ts';
import { endImages, environmentOf, startImages, type Images } from '../run/images.ts';
import { killFor } from '../run/outage.ts';

/** Deaths of mappers at the worst moments of an upload. We reach them by proxies that see its requests. */

const KILLS = 3;
const CALM_MS = 1_500;
const DOWN_MS = 2_500;
const PATIENCE_MS = 20_000;

const STORED = 'between store and bind';
const BOUND = 'between bind and the look at the bytes';
const LOOKED = 'between that look and the answer';
const ANY = 'at any moment';

/** The answer that the mapper does not live to see. */
const POINTS: Readonly<Record<string, { from: 's3' | 'urls'; isRequest: (sent: Buffer) => boolean }>> = {
  [STORED]: { from: 's3', isRequest: (sent) => sent.includes('PUT /images/images/') },
  [BOUND]: {
    from: 'urls',
    isRequest: (sent) => sent.includes('INSERT INTO urls') && sent.includes("'image:"),
  },
  [LOOKED]: { from: 's3', isRequest: (sent) => sent.includes('HEAD /images/images/') },
};

/** Proxies that only the victim uses. */
interface Victim {
  readonly id: string;
  readonly overrides: StartOverrides;
  readonly proxies: Readonly<Record<'s3' | 'urls', readonly FaultyProxy[]>>;
}

/** Restarts a mapper behind proxies of its own. `undo('victim')` restarts it without. */
async function startVictim(run: DrillRun, store: DrillStore): Promise<Victim> {
  const { cluster } = run;
  const { id } = run.pick(cluster.file.mappers);
  if (store.direct.kind !== 's3') throw new Error('only requests to an S3 server can be seen');
  const s3 = await FaultyProxy.start({
    host: '127.0.0.1',
    port: Number(new URL(store.direct.endpoint).port),
  });
  const urls = new Map<string, FaultyProxy>();
  run.undoLater('victim', async () => {
    const all = [s3, ...urls.values()];
    for (const proxy of all) proxy.heal();
    await cluster.kill(id, 'SIGTERM').catch(() => undefined);
    await cluster.startMissing(environmentOf(store));
    await Promise.all(all.map(async (proxy) => proxy.stop()));
  });
  const addresses = await startProxies(run, 'urls', urls);
  const blobs = store.blobs.replace(/:\d+\/(?=[^/]+$)/, `:${s3.port}/`);
  const overrides = { ...environmentOf({ ...store, blobs }), addresses };
  run.event(`${id} is restarted behind proxies`);
  await cluster.kill(id, 'SIGTERM');
  await cluster.startMissing(overrides);
  await run.untilQuiesced();
  return { id, overrides, proxies: { s3: [s3], urls: [...urls.values()] } };
}

async function killAt(run: DrillRun, { id, overrides, proxies }: Victim, when: string): Promise<void> {
  const point = POINTS[when];
  if (point === undefined) throw new RangeError(`no moment of an upload: ${when}`);
  const { promise: killed, resolve } = Promise.withResolvers<() => void>();
  const kill = (): void => {
    const end = run.beginFault(`kill -9 of ${id} ${when}`);
    void run.cluster.kill(id).then(() => resolve(end));
  };
  const armed = proxies[point.from];
  for (const proxy of armed) proxy.whenAnswered(point.isRequest, kill);
  const end = await Promise.race([killed, delay(PATIENCE_MS, undefined, { ref: false })]);
  for (const proxy of armed) proxy.heal();
  if (end === undefined) run.violation(`${id} did nothing ${when} within ${PATIENCE_MS / 1_000} s`);
  await run.pause(DOWN_MS);
  await run.cluster.startMissing(overrides);
  end?.();
  await run.untilQuiesced();
}

async function killAtPoints(run: DrillRun, images: Images, when: string): Promise<void> {
  const victim = await startVictim(run, images.store);
  for (let kills = 0; kills < KILLS; kills += 1) {
    await run.pause(CALM_MS * run.random());
    await killAt(run, victim, when);
  }
  await run.undo('victim');
  await run.untilQuiesced();
}

async function killAtAnyMoment(run: DrillRun, { store }: Images): Promise<void> {
  const { mappers } = run.cluster.file;
  for (let kills = 0; kills < KILLS * mappers.length; kills += 1) {
    const { id } = run.pick(mappers);
    await run.pause(CALM_MS * (1 + run.random()));
    await killFor(run, [id], DOWN_MS, [], environmentOf(store));
    await run.untilQuiesced();
  }
}

export const imageKill: Drill = {
  name: 'image-kill',
  does:
    'kill -9 of mappers that take pictures: when the bytes are stored, when they are bound to a link, just ' +
    'before the answer, and at any moment. No acknowledged image is lost or shows other bytes, and what was ' +
    'stored in vain is swept.',
  needs: [],
  rounds: 1,
  parts: [...Object.keys(POINTS), ANY],
  round: async (run, part) => {
    const images = await startImages(run, part === ANY ? 'directory' : 's3');
    await run.pause(CALM_MS);
    if (part === ANY) await killAtAnyMoment(run, images);
    else await killAtPoints(run, images, part);
    const { swept } = await endImages(run, images);
    if (part === STORED && swept < KILLS)
      run.violation(`only ${swept} blobs were swept after ${KILLS} kills ${part}`);
  },
};
