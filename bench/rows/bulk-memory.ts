import { KeymillError } from '../../runtime/errors.ts';
import { BulkClient } from '../load/bulk.ts';
import { runWrk } from '../load/wrk.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import { makeOwners } from '../world/owners.ts';
import { ownLinks } from '../world/own-stock.ts';
import { peakMemoryOf } from '../world/peak-memory.ts';
import type { Bench, BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const MIB = 2 ** 20;
const GOAL_MIB = 64;
const ITEMS = 10_000;
const FULL = { seconds: 60, exported: 1_000_000 };
const QUICK = { seconds: 2, exported: 10_000 };
/** More do not make it faster. With four, a mapper needed 64 MiB more. */
const BULKS = 2;

/** What bulks need beside single requests. */
export const bulkMemory: Bench = {
  name: 'bulk-memory',
  does: `memory of a mapper during a minute of bulks on ${BULKS} connections, above a minute of single requests`,
  long: true,
  run: async (context) => {
    const { seconds } = context.quick ? QUICK : FULL;
    const cluster = await context.privateCluster();
    const owners = await makeOwners(cluster, 1);
    await using mapper = await startMapper(cluster, context.signal);
    await using client = new BulkClient(context.signal);
    let links = 0;
    return await besideSingle(context, mapper, {
      name: 'bulk-memory',
      keyFile: owners.file,
      work: async () => {
        const done = await client.run({
          url: mapper.url,
          apiKey: owners.keys[0] ?? '',
          items: ITEMS,
          connections: BULKS,
          durationMs: seconds * 1_000,
        });
        links = done.links;
      },
      details: () => ({ seconds, links }),
    });
  },
};

/** What an export of many links needs. */
export const exportMemory: Bench = {
  name: 'export-memory',
  does: 'memory of a mapper during the export of 1,000,000 links, above a minute of single requests',
  long: true,
  run: async (context) => {
    const { exported } = context.quick ? QUICK : FULL;
    const cluster = await context.privateCluster();
    const owners = await makeOwners(cluster, 1, ['links:read', 'links:create']);
    await ownLinks(cluster, owners.ids[0] ?? 0n, exported, context);
    await using mapper = await startMapper(cluster, context.signal);
    const seen = { lines: 0, bytes: 0 };
    return await besideSingle(context, mapper, {
      name: 'export-memory',
      keyFile: owners.file,
      work: async () => {
        const answer = await fetch(`${mapper.url}/urls/export`, {
          headers: { authorization: `Bearer ${owners.keys[0]}` },
          signal: context.signal,
        });
        for await (const chunk of answer.body ?? []) {
          seen.bytes += chunk.length;
          for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) seen.lines += 1;
        }
        if (seen.lines < exported)
          throw new KeymillError('BENCH_FAILED', `an export had ${seen.lines} of ${exported} links`);
      },
      details: () => ({ ...seen }),
    });
  },
};

interface Compared {
  readonly name: string;
  readonly keyFile: string;
  readonly work: () => Promise<void>;
  readonly details: () => Readonly<Record<string, unknown>>;
}

/** The memory of the same mapper while it makes links one by one comes first. */
async function besideSingle(
  context: BenchContext,
  mapper: BenchMapper,
  { name, keyFile, work, details }: Compared,
): Promise<BenchRow> {
  const { seconds } = context.quick ? QUICK : FULL;
  const single = async (forSeconds: number): Promise<number> =>
    peakMemoryOf(mapper.pid, async () =>
      runWrk({
        url: mapper.url,
        connections: CONNECTIONS,
        seconds: forSeconds,
        requests: { kind: 'shorten', keyFile },
        allowErrors: true,
        signal: context.signal,
      }),
    );
  const [first, before] = [await single(Math.ceil(seconds / 2)), await single(Math.ceil(seconds / 2))];
  const startedMs = performance.now();
  const peak = await peakMemoryOf(mapper.pid, work);
  const aboveMib = (peak - before) / MIB;
  return toRow({
    name,
    unit: 'MiB',
    value: aboveMib,
    samples: [aboveMib],
    interval: [aboveMib, aboveMib],
    baseline: 'highest resident memory of the same mapper during single requests at full speed',
    baselineValue: before / MIB,
    control: before / first,
    better: 'lower',
    goal: GOAL_MIB,
    details: { ...details(), tookSeconds: Math.round((performance.now() - startedMs) / 1_000) },
  });
}
