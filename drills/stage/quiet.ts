import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import type { AnyClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';

const ProducerReady = z.object({
  ok: z.boolean(),
  shards: z.array(z.object({ shard: z.string(), epoch: z.number().nullable(), ready: z.boolean() })),
});

const MapperReady = z.object({ ok: z.boolean(), degraded: z.array(z.unknown()).catch([]) });

/** How long a cluster may take to come to rest after healing. */
export const QUIET_TIMEOUT_MS = 60_000;

/** A reign that is reconciled and delivers, by its producer's own word. */
export interface ReadyReign {
  readonly producer: string;
  readonly shard: string;
  readonly epoch: number | null;
}

/** Which reigns are ready now, by what the producers' admin ports say. */
export async function readyReigns({ producers }: AnyClusterFile, timeoutMs = 1_000): Promise<ReadyReign[]> {
  const answers = await Promise.all(
    producers.map(async ({ id, admin }) => {
      const answer = await tryGet(`${admin}/readyz`, timeoutMs);
      const parsed = ProducerReady.safeParse(parseJson(answer?.body ?? ''));
      if (!parsed.success) return [];
      return parsed.data.shards
        .filter(({ ready }) => ready)
        .map(({ shard, epoch }) => ({ producer: id, shard, epoch }));
    }),
  );
  return answers.flat();
}

/** What is not as it should be in a cluster at rest, in words; nothing when it is quiet. */
export async function whatIsUnquiet(file: AnyClusterFile): Promise<string[]> {
  const [reigns, producers, mappers] = await Promise.all([
    readyReigns(file),
    Promise.all(
      file.producers.map(async ({ id, admin }) => ((await isReady(admin)) ? [] : [`${id} is not ready`])),
    ),
    Promise.all(file.mappers.map(async ({ id, admin }) => mapperTrouble(id, admin))),
  ]);
  const shards = file.keysDbs.flatMap(({ name }) => {
    const holders = reigns.filter(({ shard }) => shard === name);
    if (holders.length === 1) return [];
    return [
      holders.length === 0
        ? `nobody delivers from ${name}`
        : `${holders.length} producers deliver from ${name}`,
    ];
  });
  return [...producers.flat(), ...mappers.flat(), ...shards, ...(await lowPools(file))];
}

/** Waits until nothing is unquiet twice in a row; what still is when time runs out, in words. */
export async function untilQuiet(describe: () => AnyClusterFile, timeoutMs: number): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  let inARow = 0;
  for (;;) {
    const trouble = await whatIsUnquiet(describe());
    inARow = trouble.length === 0 ? inARow + 1 : 0;
    if (inARow === 2) return [];
    if (performance.now() > deadline) return trouble;
    await delay(100);
  }
}

async function isReady(admin: string): Promise<boolean> {
  return (await tryGet(`${admin}/readyz`))?.status === 200;
}

async function mapperTrouble(id: string, admin: string): Promise<string[]> {
  const answer = await tryGet(`${admin}/readyz`);
  if (answer?.status !== 200) return [`${id} is not ready`];
  const { data } = MapperReady.safeParse(parseJson(answer.body));
  return data === undefined || data.degraded.length > 0
    ? [`${id} is degraded: ${JSON.stringify(data?.degraded)}`]
    : [];
}

/** Pools that no producer sees answer, or that stand empty. */
async function lowPools({ producers, redis }: AnyClusterFile): Promise<string[]> {
  const pages = await Promise.all(producers.map(async ({ admin }) => tryGet(`${admin}/metrics`)));
  const samples = pages.flatMap((page) => (page?.status === 200 ? parseMetrics(page.body) : []));
  return redis.flatMap(({ name }) => {
    const of = (metric: string): number[] =>
      samples
        .filter((sample) => sample.name === metric && sample.labels['pool'] === name)
        .map(({ value }) => value);
    if (!of('keymill_pool_healthy').includes(1)) return [`${name} answers no producer`];
    return Math.max(0, ...of('keymill_pool_level')) > 0 ? [] : [`the pool on ${name} is empty`];
  });
}
