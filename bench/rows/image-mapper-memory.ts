import { join } from 'node:path';
import { ImageClient } from '../load/image-client.ts';
import type { ImageTask } from '../load/image-client-main.ts';
import { LARGEST, SMALL, writePicture } from '../load/picture-files.ts';
import { runWrk } from '../load/wrk.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { makeBlobFolder } from '../world/blob-folder.ts';
import { startMapper } from '../world/mapper.ts';
import { peakMemoryOf } from '../world/peak-memory.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const MIB = 2 ** 20;
const GOAL_MIB = 64;
const FULL = { seconds: 60, largest: 200, small: 10_000, reads: 100_000 };
const QUICK = { seconds: 2, largest: 8, small: 100, reads: 1_000 };
/** Uploads at the same time, of one owner: as many as a mapper takes. */
const UPLOADS = 4;
/** Each phase is cut into so many parts, which show whether memory grows. */
const PARTS = 4;

/** What images need beside links. The processes of a mapper count together, also the one that decodes. */
export const imageMapperMemory: Bench = {
  name: 'image-mapper-memory',
  does:
    `memory of a mapper over ${FULL.largest} uploads of 20 MB, ${FULL.small} of 100 KB and ${FULL.reads} reads, ` +
    'above a minute of links and small pictures at full speed',
  long: true,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const sizes = context.quick || context.seconds === 1 ? QUICK : FULL;
  const cluster = await context.privateCluster();
  const { settings } = await makeBlobFolder(cluster, 'bench-memory');
  const [large, small] = [join(cluster.dir, 'bench-largest.png'), join(cluster.dir, 'bench-small.png')];
  await writePicture(large, LARGEST);
  await writePicture(small, SMALL);
  await using mapper = await startMapper(cluster, context.signal, settings);
  await using client = new ImageClient(context.signal);
  const { url, pid } = mapper;
  const first = await client.run({ url, connections: 1, count: 1, post: { file: small, deletes: false } });
  const usual = async (seconds: number): Promise<number> =>
    peakMemoryOf(pid, async () => {
      const { signal } = context;
      const links = {
        url,
        connections: CONNECTIONS,
        seconds,
        requests: { kind: 'shorten' } as const,
        signal,
      };
      await runWrk(links);
      await client.run({ url, connections: 1, count: 4, post: { file: small, deletes: true } });
    });
  const half = Math.ceil(sizes.seconds / 2);
  const [warm, before] = [await usual(half), await usual(half)];
  const progress = context.progress('image-mapper-memory', 3 * PARTS, 'parts');
  const peaks: Record<string, number[]> = {};
  const startedMs = performance.now();
  const measurePhase = async (name: string, task: ImageTask): Promise<void> => {
    const ofPhase = (peaks[name] ??= []);
    const count = Math.ceil((task.count ?? PARTS) / PARTS);
    for (let part = 0; part < PARTS; part += 1) {
      ofPhase.push(await peakMemoryOf(pid, async () => client.run({ ...task, count })));
      progress.update(Object.values(peaks).flat().length);
    }
  };
  const post = (file: string, count: number): ImageTask => ({
    url,
    connections: UPLOADS,
    count,
    post: { file, deletes: true },
  });
  await measurePhase('20 MB', post(large, sizes.largest));
  await measurePhase('100 KB', post(small, sizes.small));
  await measurePhase('reads', { url, connections: CONNECTIONS, count: sizes.reads, read: first.lastPath });
  progress.stop();
  const aboveMib = (Math.max(...Object.values(peaks).flat()) - before) / MIB;
  return toRow({
    name: 'image-mapper-memory',
    unit: 'MiB',
    value: aboveMib,
    samples: [aboveMib],
    interval: [aboveMib, aboveMib],
    baseline: 'highest resident memory of the same mapper during links and small pictures at full speed',
    baselineValue: before / MIB,
    control: before / warm,
    better: 'lower',
    goal: GOAL_MIB,
    details: {
      ...sizes,
      eachPartMiB: Object.fromEntries(
        Object.entries(peaks).map(([name, of]) => [name, of.map((bytes) => Math.round(bytes / MIB))]),
      ),
      tookSeconds: Math.round((performance.now() - startedMs) / 1_000),
    },
  });
}
