import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import type { AnyClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import { readDegraded } from '../../scripts/cluster/readiness.ts';

const ProducerReady = z.object({
  ok: z.boolean(),
  shards: z.array(z.object({ shard: z.string(), epoch: z.number().nullable(), ready: z.boolean() })),
});

/** How long a cluster may take to quiesce after healing. */
export const QUIESCE_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** A reign that is reconciled and delivers, as its producer reports it. */
export interface ReadyReign {
  readonly producer: string;
  readonly shard: string;
  readonly epoch: number | null;
}

/** The reigns that are ready now, from the admin ports of the producers. */
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

/**
 * Waits until two checks in a row find no problem: every process is ready, one producer delivers from each
 * shard, and no pool is empty. Returns the problems that remain after `timeoutMs`, one sentence each.
 */
export async function untilQuiesced(describe: () => AnyClusterFile, timeoutMs: number): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  let cleanChecks = 0;
  for (;;) {
    const problems = await findProblems(describe());
    cleanChecks = problems.length === 0 ? cleanChecks + 1 : 0;
    if (cleanChecks === 2) return [];
    if (performance.now() > deadline) return problems;
    await delay(POLL_MS);
  }
}

async function findProblems(file: AnyClusterFile): Promise<string[]> {
  const problems = await Promise.all([
    ...file.producers.map(async ({ id, admin }) => ((await isReady(admin)) ? [] : [`${id} is not ready`])),
    ...file.mappers.map(async ({ id, admin }) => mapperProblems(id, admin)),
    shardProblems(file),
    poolProblems(file),
  ]);
  return problems.flat();
}

/** Keys come by counter: the cluster needs no holders and no full pools. */
function hasCounter({ keySource }: AnyClusterFile): boolean {
  return keySource === 'counter';
}

async function isReady(admin: string): Promise<boolean> {
  return (await tryGet(`${admin}/readyz`))?.status === 200;
}

async function mapperProblems(id: string, admin: string): Promise<string[]> {
  const degraded = await readDegraded(admin);
  if (degraded === undefined) return [`${id} is not ready`];
  return degraded.length > 0 ? [`${id} is degraded: ${JSON.stringify(degraded)}`] : [];
}

async function shardProblems(file: AnyClusterFile): Promise<string[]> {
  if (hasCounter(file)) return [];
  const reigns = await readyReigns(file);
  return file.keysDbs.flatMap(({ name }) => {
    const holders = reigns.filter(({ shard }) => shard === name).length;
    if (holders === 1) return [];
    return [
      holders === 0 ? `no producer delivers from ${name}` : `${holders} producers deliver from ${name}`,
    ];
  });
}

async function poolProblems(file: AnyClusterFile): Promise<string[]> {
  if (hasCounter(file)) return [];
  const { producers, redis } = file;
  const pages = await Promise.all(producers.map(async ({ admin }) => tryGet(`${admin}/metrics`)));
  const samples = pages.flatMap((page) => (page?.status === 200 ? parseMetrics(page.body) : []));
  return redis.flatMap(({ name }) => {
    const valuesOf = (metric: string): number[] =>
      samples
        .filter((sample) => sample.name === metric && sample.labels['pool'] === name)
        .map(({ value }) => value);
    if (!valuesOf('keymill_pool_healthy').includes(1)) return [`no producer reaches ${name}`];
    return Math.max(0, ...valuesOf('keymill_pool_level')) > 0 ? [] : [`the pool on ${name} is empty`];
  });
}
