import { measure, ratioOf, typicalOf } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareFiles } from '../world/bare-files.ts';
import { startMapper } from '../world/mapper.ts';
import { storePictures } from '../world/stored-pictures.ts';
import type { BenchContext } from './bench.ts';
import { CONNECTIONS, cpuPerAnswer, httpArm, throughput } from './http-arm.ts';

/** 1 MB: what the design of the seeds reckons with. */
const BYTES = 1_000_000;

export interface ServingRow {
  readonly name: string;
  /** How many pictures are asked for in turn. */
  readonly pictures: number;
  readonly goal: number;
  /** Where the mapper must have found most of them. */
  readonly source: 'memory' | 'store';
}

/** Pictures of 1 MB from a mapper, beside a bare server that pipes the same files. */
export async function measureServing(
  context: BenchContext,
  { name, pictures: count, goal, source }: ServingRow,
): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  const pictures = await storePictures(cluster, { count, bytes: BYTES });
  await using mapper = await startMapper(cluster, context.signal, pictures.settings);
  await using bare = await startBareFiles(mapper.url, pictures, { bytes: BYTES, signal: context.signal });
  const { requests } = pictures;
  const measurement = await measure(context, {
    name,
    arms: [
      httpArm({ context, name: 'mapper', server: mapper, requests, alone: true }),
      httpArm({ context, name: 'bare', server: bare, requests, alone: true }),
    ],
    watched: [throughput],
  });
  const kept = (await mapper.metric('keymill_image_cache_entries')) ?? 0;
  const isFromMemory = kept === count;
  const { sequence } = measurement;
  const cpu = ratioOf(sequence, 'mapper', 'bare', cpuPerAnswer.of);
  return toPairedRow({
    name,
    unit: 'pictures/s',
    measurement,
    ours: 'mapper',
    beside: 'bare',
    of: throughput.of,
    baseline:
      'bare node:http, one process, createReadStream(file).pipe(response) of the same files and headers',
    goal,
    fault: isFromMemory === (source === 'memory') ? undefined : `${kept} of ${count} pictures were in memory`,
    details: {
      connections: CONNECTIONS,
      pinned: context.pin,
      pictures: count,
      bytes: BYTES,
      inMemory: kept,
      cpuRatio: round(cpu.ratio),
      usPerPicture: round(typicalOf(sequence, 'mapper', cpuPerAnswer.of)),
    },
  });
}
