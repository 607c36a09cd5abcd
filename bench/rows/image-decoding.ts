import { join } from 'node:path';
import { ImageClient } from '../load/image-client.ts';
import { LatencyClient } from '../load/latency.ts';
import { PHOTO, SMALL, writePicture } from '../load/picture-files.ts';
import { measure, typicalOf, type Arm } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { putInBackground } from '../world/background.ts';
import { cpuMsOfOne, cpuMsOfTree } from '../world/cpu.ts';
import { hotLinks } from '../world/hot-links.ts';
import { makeBlobFolder } from '../world/blob-folder.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import { WITHOUT_DECODER } from '../world/mapper-without-decoder.ts';
import type { Bench, BenchContext } from './bench.ts';
import { typicalTimes, watchMainThreads, type BusyTimes } from './busy-times.ts';
import { CONNECTIONS } from './http-arm.ts';

const PER_SECOND = 3_000;
/** The client, the mapper and its decoder share two cores. A client that never sleeps would need one. */
const PACE = { restMs: 1, leadInMs: 500 };
/** One picture is decoded while the other one arrives. */
const UPLOADS = 2;
/** Before, V8 has not compiled all that an upload runs, which takes twice the CPU. */
const WARM_AFTER = 1_000;
const GOAL = 1.5;

/** One window of redirects. */
interface Followed extends BusyTimes {
  readonly p99Ms: number;
  /** In ms for each second. */
  readonly decoderRanMs: number;
}

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
  await using withoutDecoder = await startMapper(cluster, context.signal, settings, WITHOUT_DECODER);
  await using client = new LatencyClient(context.signal);
  await using uploads = new ImageClient(context.signal);
  using _ = putInBackground([uploads.pid, ...cluster.pids.mysql]);
  const follow = async (server: BenchMapper, seconds: number): Promise<Followed> => {
    const { url, pid } = server;
    const durationMs = seconds * 1_000;
    const task = { url, paths, connections: CONNECTIONS, durationMs, perSecond: PER_SECOND };
    const busyTimes = watchMainThreads(client.pid, pid);
    const decoderMs = decoderMsOf(pid);
    const { p99Ms } = await client.run({ ...task, ...PACE });
    const decoderRanMs = Math.max(0, decoderMsOf(pid) - decoderMs) / seconds;
    return { p99Ms, ...busyTimes(seconds), decoderRanMs };
  };
  const posting = { connections: UPLOADS, post: { file, deletes: true } };
  const posted = { decoded: 0, decodedSeconds: 0, undecoded: 0 };
  const beside: Arm<Followed> = {
    name: 'beside',
    run: async (seconds) => {
      const post = uploads.run({ ...posting, url: mapper.url, durationMs: seconds * 1_000 });
      const [followed, { done }] = await Promise.all([follow(mapper, seconds), post]);
      posted.decoded += done;
      posted.decodedSeconds += seconds;
      return followed;
    },
  };
  /** As many uploads a second as were decoded until now. */
  const undecoded: Arm<Followed> = {
    name: 'undecoded',
    run: async (seconds) => {
      const { url } = withoutDecoder;
      const perSecond = Math.max(1, posted.decoded) / Math.max(1, posted.decodedSeconds);
      const post = uploads.run({ ...posting, url, durationMs: seconds * 1_000, perSecond });
      const [followed, { done }] = await Promise.all([follow(withoutDecoder, seconds), post]);
      posted.undecoded += done;
      return followed;
    },
  };
  const alone: Arm<Followed> = { name: 'alone', run: async (seconds) => follow(mapper, seconds) };
  if (!context.quick) {
    const small = join(cluster.dir, 'bench-small.png');
    await writePicture(small, SMALL);
    const warming = { connections: UPLOADS, post: { file: small, deletes: true }, count: WARM_AFTER };
    for (const { url } of [mapper, withoutDecoder]) await uploads.run({ ...warming, url });
  }
  const measurement = await measure(context, {
    name: 'image-decoding',
    arms: [beside, alone, undecoded],
    watched: [{ quantity: 'tail', of: ({ p99Ms }) => p99Ms }],
    rounds: 20,
    quiesce: async () => cluster.quiesce(context.signal, [mapper.pid, withoutDecoder.pid]),
  });
  return toPairedRow({
    name: 'image-decoding',
    unit: 'ms',
    measurement,
    ours: 'beside',
    beside: 'undecoded',
    of: ({ p99Ms }) => p99Ms,
    baseline: 'p99 of the same redirects beside as many uploads a second that are not decoded',
    better: 'lower',
    goal: GOAL,
    further: [
      {
        label: 'uploads and decoding',
        ours: 'beside',
        beside: 'alone',
        baseline: 'p99 of the same redirects while nobody posts a picture',
      },
    ],
    fault: posted.decoded === 0 ? 'no picture was decoded' : undefined,
    details: {
      perSecond: PER_SECOND,
      bytes,
      uploads: UPLOADS,
      ...posted,
      msEachSecond: Object.fromEntries(
        ['alone', 'undecoded', 'beside'].map((arm) => [
          arm,
          {
            ...typicalTimes(measurement.sequence, arm),
            decoderRanMs: round(typicalOf(measurement.sequence, arm, ({ decoderRanMs }) => decoderRanMs)),
          },
        ]),
      ),
    },
  });
}

function decoderMsOf(mapper: number): number {
  return cpuMsOfTree(mapper) - cpuMsOfOne(mapper);
}
