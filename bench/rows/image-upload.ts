import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MEGABYTE, writePicture } from '../load/picture-files.ts';
import { measure, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { startBareStore } from '../world/bare-store.ts';
import { emptyFiles, makeUsedBlobFolder } from '../world/blob-folder.ts';
import { startMapper } from '../world/mapper.ts';
import { WITHOUT_DECODER } from '../world/mapper-without-decoder.ts';
import type { Bench, BenchContext } from './bench.ts';
import { httpArm, throughput, type HttpArmOptions, type HttpSample } from './http-arm.ts';

/** Half of the uploads that a mapper takes at a time. Refused ones would compare nothing. */
const CONNECTIONS = 8;
/** One of them would get a few places only. */
const CLIENTS = 32;
const GOAL = 0.6;
/** Before, V8 has not compiled all that an upload runs, which takes twice the CPU. */
const WARM_AFTER = 2_000;

/** What an image costs besides its decoding: to find its format, hash it, name it, store it, bind it. */
export const imageUpload: Bench = {
  name: 'image-upload',
  does: 'POST /images of 1 MB that is not decoded, stored in a folder, beside bare node:http that stores the body',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const blobs = await makeUsedBlobFolder(cluster, 'bench-blobs');
  const settings = {
    ...blobs.settings,
    KEYMILL_TRUSTED_PROXIES: '127.0.0.1',
    // Each of the clients would have 30 a minute.
    KEYMILL_LIMIT_ANONYMOUS: '0',
  };
  const bodies = join(cluster.dir, 'bench-bodies');
  await mkdir(bodies, { recursive: true });
  const file = join(cluster.dir, 'bench-picture.png');
  const bytes = await writePicture(file, MEGABYTE);
  await using mapper = await startMapper(cluster, context.signal, settings, WITHOUT_DECODER);
  await using bare = await startBareStore(bodies, context.signal);
  const armOf = (name: string, server: HttpArmOptions['server'], folder: string): Arm<HttpSample> => {
    const requests = () => ({ kind: 'picture', file, clients: CLIENTS }) as const;
    const arm = httpArm({
      context,
      name,
      server,
      requests,
      connections: CONNECTIONS,
      others: cluster.servers,
    });
    return { name, run: async (seconds, round) => thenEmpty(folder, arm.run(seconds, round)) };
  };
  const arms = [armOf('mapper', mapper, blobs.images), armOf('bare', bare, bodies)];
  if (!context.quick) for (const arm of arms) await warmUp(arm);
  const measurement = await measure(context, {
    name: 'image-upload',
    arms,
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  const cpuUs = (arm: string): number[] =>
    measurement.sequence.filter((one) => one.arm === arm).map(({ sample }) => Math.round(sample.cpuUs));
  return toPairedRow({
    name: 'image-upload',
    unit: 'images/s',
    measurement,
    ours: 'mapper',
    beside: 'bare',
    of: ({ perSecond }) => perSecond,
    baseline: `bare node:http that writes the body into a file and flushes it, ${CONNECTIONS} connections`,
    goal: GOAL,
    details: { bytes, connections: CONNECTIONS, cpuUs: cpuUs('mapper'), bareCpuUs: cpuUs('bare') },
  });
}

async function warmUp({ run }: Arm<HttpSample>): Promise<void> {
  for (let done = 0; done < WARM_AFTER;) done += (await run(1, -1)).perSecond;
}

/** A minute of uploads would fill the disk. */
async function thenEmpty(folder: string, running: Promise<HttpSample>): Promise<HttpSample> {
  const sample = await running;
  await emptyFiles(folder);
  return sample;
}
