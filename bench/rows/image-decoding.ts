import { join } from 'node:path';
import { ImageClient } from '../load/image-client.ts';
import { LatencyClient } from '../load/latency.ts';
import { PHOTO, writePicture } from '../load/picture-files.ts';
import { measure, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import type { BenchRow } from '../method/row.ts';
import { hotLinks } from '../world/hot-links.ts';
import { makeBlobFolder } from '../world/blob-folder.ts';
import { letClientsFirst, letOthersFirst } from '../world/client-precedence.ts';
import { startMapper } from '../world/mapper.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const PER_SECOND = 3_000;
/** The client, the mapper and its decoder share two cores. A client that never sleeps would need one. */
const PACE = { restMs: 1, leadInMs: 500 };
/** One picture is decoded while the other one arrives. */
const UPLOADS = 2;
const GOAL = 1.5;

/** A picture takes longer to decode than anything else that a mapper does. Redirects must not wait for it. */
export const imageDecoding: Bench = {
  name: 'image-decoding',
  does: `p99 of ${PER_SECOND} cached redirects/s, open loop, while pictures of 12 megapixels are posted and decoded`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const { paths } = await hotLinks(cluster, context);
  const { settings } = await makeBlobFolder(cluster, 'bench-decoded');
  const file = join(cluster.dir, 'bench-photo.png');
  const bytes = await writePicture(file, PHOTO);
  await using mapper = await startMapper(cluster, context.signal, settings);
  await using client = new LatencyClient(context.signal);
  await using uploads = new ImageClient(context.signal);
  letOthersFirst(uploads);
  using precedence = letClientsFirst();
  const follow = async (seconds: number): Promise<number> => {
    const durationMs = seconds * 1_000;
    const task = { url: mapper.url, paths, connections: CONNECTIONS, durationMs, perSecond: PER_SECOND };
    return (await client.run({ ...task, ...PACE })).p99Ms;
  };
  let decoded = 0;
  const beside: Arm<number> = {
    name: 'beside',
    run: async (seconds) => {
      const posting = uploads.run({
        url: mapper.url,
        connections: UPLOADS,
        post: { file, deletes: true },
        durationMs: seconds * 1_000,
      });
      const [p99Ms, { done }] = await Promise.all([follow(seconds), posting]);
      decoded += done;
      return p99Ms;
    },
  };
  const measurement = await measure(context, {
    name: 'image-decoding',
    arms: [beside, { name: 'alone', run: follow }],
    watched: [{ quantity: 'tail', of: (p99Ms) => p99Ms }],
    rounds: 20,
    quiesce: async () => cluster.quiesce(context.signal, [mapper.pid]),
  });
  return toPairedRow({
    name: 'image-decoding',
    unit: 'ms',
    measurement,
    ours: 'beside',
    beside: 'alone',
    of: (p99Ms) => p99Ms,
    baseline: 'p99 of the same redirects while nobody posts a picture',
    better: 'lower',
    goal: GOAL,
    fault: decoded === 0 ? 'no picture was decoded' : undefined,
    details: { perSecond: PER_SECOND, bytes, uploads: UPLOADS, decoded, clientsFirst: precedence.holds },
  });
}
