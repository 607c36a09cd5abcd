import { join } from 'node:path';
import { ImageClient } from '../load/image-client.ts';
import type { ImageTask } from '../load/image-client-main.ts';
import { LARGEST, SMALL, writePicture } from '../load/picture-files.ts';
import { runWrk } from '../load/wrk.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { makeBlobFolder } from '../world/blob-folder.ts';
import { startMapper } from '../world/mapper.ts';
import { peakMemoriesOf } from '../world/peak-memory.ts';
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
const DECODER = 'decoder-main.ts';

type Peaks = Awaited<ReturnType<typeof peakMemoriesOf>>;

/**
 * What images need beside links, in the mapper itself. The process that decodes is not part of it: it ends a
 * minute after the last picture, has a limit of its own, and is the first to be killed. Its peak is a detail.
 */
export const imageMapperMemory: Bench = {
  name: 'image-mapper-memory',
  does:
    `memory of a mapper without its decoder over ${FULL.largest} uploads of 20 MB, ${FULL.small} of 100 KB and ${FULL.reads} reads, ` +
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
  const usual = async (seconds: number): Promise<Peaks> =>
    peakMemoriesOf(pid, DECODER, async () => {
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
  const peaks: Record<string, Peaks[]> = {};
  const startedMs = performance.now();
  const measurePhase = async (name: string, task: ImageTask): Promise<void> => {
    const ofPhase = (peaks[name] ??= []);
    const count = Math.ceil((task.count ?? PARTS) / PARTS);
    for (let part = 0; part < PARTS; part += 1) {
      ofPhase.push(await peakMemoriesOf(pid, DECODER, async () => client.run({ ...task, count })));
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
  const all = Object.values(peaks).flat();
  const aboveMib = (Math.max(...all.map(({ own }) => own)) - before.own) / MIB;
  return toRow({
    name: 'image-mapper-memory',
    unit: 'MiB',
    value: aboveMib,
    samples: [aboveMib],
    interval: [aboveMib, aboveMib],
    baseline: 'highest resident memory of the same mapper during links and small pictures at full speed',
    baselineValue: before.own / MIB,
    control: before.own / warm.own,
    better: 'lower',
    goal: GOAL_MIB,
    details: {
      ...sizes,
      eachPartMiB: Object.fromEntries(
        Object.entries(peaks).map(([name, of]) => [name, of.map(({ own }) => Math.round(own / MIB))]),
      ),
      decoderMiB: Object.fromEntries(
        Object.entries(peaks).map(([name, of]) => [name, of.map(({ apart }) => Math.round(apart / MIB))]),
      ),
      tookSeconds: Math.round((performance.now() - startedMs) / 1_000),
    },
  });
}
