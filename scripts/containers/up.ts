import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJsonAs } from '../../runtime/json.ts';
import { writeClusterFile, type ContainerClusterFile } from '../cluster/cluster-file.ts';
import { ClusterError } from '../cluster/errors.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import type { UpOptions } from '../cluster/options.ts';
import type { ProgressLog } from '../cluster/progress-log.ts';
import { untilNothingIsMissing } from '../cluster/readiness.ts';
import { REPOSITORY, writePrivateFile, type RunDir } from '../cluster/run-dir.ts';
import { firstPort } from '../cluster/environment.ts';
import { reservePort } from '../servers/ports.ts';
import { addressesOfContainers, describeContainers } from './describe.ts';
import { Compose, type Scale } from './compose.ts';
import { Docker } from './docker.ts';
import { openEngine, type Engine } from './engine.ts';
import { buildImage, ownImage } from './image.ts';
import { ensureEnvFile } from './secrets.ts';
import { ensureImages } from './stand-ins.ts';

/** Says that the cluster of this run folder is one of containers, and on which engine. */
const MARK = 'containers.json';
const Mark = z.object({ host: z.string() });

/** A cluster in containers: what `up --containers` has brought up. */
export interface ContainerCluster {
  readonly engine: Engine;
  readonly compose: Compose;
  readonly file: ContainerClusterFile;
}

/** The engine of this run folder's cluster; undefined when it is not one of containers. */
export function findContainerMark(runDir: RunDir): { host: string } | undefined {
  const path = join(runDir.path, MARK);
  return existsSync(path) ? parseJsonAs(Mark, readFileSync(path, 'utf8')) : undefined;
}

/**
 * Brings the cluster up on a Docker engine, waits until it is ready by the same rule as with processes, and describes it.
 * On a running one it scales and starts what is missing. When it fails before anything ran, it is taken down again.
 */
export async function upContainers(
  options: UpOptions,
  runDir: RunDir,
  progress: ProgressLog,
  signal: AbortSignal,
): Promise<ContainerCluster> {
  refuseOtherShape(options);
  const report = (what: string): void => progress.line(what);
  runDir.make();
  const engine = await openEngine(report);
  const { docker } = engine;
  try {
    await ensureImages(docker, report, ['zookeeper', 'redis', 'mariadb', 'haproxy'], signal);
    if (process.env['KEYMILL_IMAGE'] === undefined) await ensureOwnImage(docker, report, signal);
  } catch (error) {
    await engine.release();
    throw error;
  }
  const compose = new Compose(docker, runDir);
  const env = ensureEnvFile(compose.envFile, runDir, await publishDefaults(compose.envFile));
  const before = findContainerMark(runDir) === undefined ? [] : await compose.containers();
  const count = (service: string): number =>
    before.filter((container) => container.service === service).length;
  const scale: Scale = {
    producers: options.producers ?? (count('producer') || 3),
    mappers: options.mappers ?? (count('mapper') || 2),
  };
  writePrivateFile(
    join(runDir.path, MARK),
    `${JSON.stringify({ host: docker.host, project: compose.project })}\n`,
  );
  progress.line('starting containers …');
  await compose.up(scale, () => undefined, signal);
  progress.line(`${scale.producers} producers and ${scale.mappers} mappers started`);
  const describe = async (): Promise<ContainerClusterFile> =>
    describeContainers(
      await compose.containers(),
      { redis: env.KEYMILL_REDIS_PASSWORD, mysql: env.KEYMILL_MYSQL_PASSWORD },
      env['KEYMILL_PUBLIC_URL'] ?? '',
    );
  await untilNothingIsMissing(
    async () => {
      const file = await describe();
      return { producers: file.producers, mappers: file.mappers, addresses: addressesOfContainers(file) };
    },
    {
      progress,
      signal,
      hint: 'docker logs shows what each container says; then ./scripts/up --containers again',
    },
  );
  const file = await describe();
  await untilPublished(file.publicUrl, signal);
  writeClusterFile(runDir, file);
  return { engine, compose, file };
}

/** Stops the containers of this run folder's cluster; the engine too, if it was started for it and nobody else uses it. */
export async function downContainers(runDir: RunDir, wipe: boolean, progress: ProgressLog): Promise<void> {
  rmSync(runDir.clusterFile, { force: true });
  const mark = findContainerMark(runDir);
  const found = await openEngine((what) => progress.line(what));
  // The engine it was brought up on, should another one answer by now.
  const docker = mark === undefined ? found.docker : new Docker(mark.host);
  try {
    progress.line('stopping mappers, producers and servers …');
    const compose = new Compose((await docker.answers()) ? docker : found.docker, runDir);
    await compose.down(wipe);
    if (!wipe) return;
    rmSync(join(runDir.path, MARK), { force: true });
    if (!compose.envFile.startsWith(`${REPOSITORY}/.env`)) rmSync(compose.envFile, { force: true });
  } finally {
    await found.release();
  }
}

/** The compose file says how many servers there are; another number means another file. */
function refuseOtherShape(options: UpOptions): void {
  const given = (
    [
      ['--keys-dbs', options.keysDbs],
      ['--redis', options.redis],
      ['--zookeepers', options.zookeepers],
      ['--mysql-servers', options.mysqlServers],
      ['--processes-per-mapper', options.processesPerMapper],
      ['--faultable', options.faultable || undefined],
      ['--servers-only', options.serversOnly || undefined],
    ] as const
  ).filter(([, value]) => value !== undefined);
  if (given.length > 0) {
    const names = given.map(([name]) => name).join(', ');
    throw new UsageError(`${names}: with --containers docker-compose.yml says what runs; leave it away`);
  }
}

async function ensureOwnImage(
  docker: Docker,
  report: (what: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await ensureImages(docker, report, ['node'], signal);
  report(`building ${ownImage()} …`);
  await buildImage(docker, signal);
}

/** The usual port, or the next free one, is chosen once and kept: short links begin with it. */
async function publishDefaults(envFile: string): Promise<Record<string, string>> {
  if (existsSync(envFile) && readFileSync(envFile, 'utf8').includes('KEYMILL_PUBLISH=')) return {};
  const reserved = await reservePort(firstPort(8080));
  reserved.release();
  const address = `127.0.0.1:${reserved.port}`;
  return { KEYMILL_PUBLISH: address, KEYMILL_PUBLIC_URL: `http://${address}` };
}

const PUBLISHED_TIMEOUT_MS = 30_000;

/** haproxy knows the mappers, too: it answers what only a mapper can say. */
async function untilPublished(url: string, signal: AbortSignal): Promise<void> {
  const probe = `${url}/${createHash('sha256').update(url).digest('base64url').slice(0, 8)}`;
  const deadline = performance.now() + PUBLISHED_TIMEOUT_MS;
  for (;;) {
    const answer = await fetch(probe, { redirect: 'manual', signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    );
    await answer?.body?.cancel();
    if (answer?.status === 404 || answer?.status === 302) return;
    if (performance.now() > deadline)
      throw new ClusterError(`${url} does not reach a mapper after ${PUBLISHED_TIMEOUT_MS / 1000} s`);
    await delay(100, undefined, { signal });
  }
}

/** Looks again which containers there are and where, and describes them anew: after a restart an address may be another. */
export async function describeAnew(runDir: RunDir, compose: Compose): Promise<ContainerClusterFile> {
  const env = ensureEnvFile(compose.envFile, runDir, {});
  const passwords = { redis: env.KEYMILL_REDIS_PASSWORD, mysql: env.KEYMILL_MYSQL_PASSWORD };
  const file = describeContainers(await compose.containers(), passwords, env['KEYMILL_PUBLIC_URL'] ?? '');
  writeClusterFile(runDir, file);
  return file;
}
