import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { writeClusterFile, type ContainerClusterFile } from '../cluster/cluster-file.ts';
import { firstPort } from '../cluster/environment.ts';
import { ClusterError } from '../cluster/errors.ts';
import type { UpOptions } from '../cluster/options.ts';
import type { ProgressLog } from '../cluster/progress-log.ts';
import { untilNothingIsMissing } from '../cluster/readiness.ts';
import { REPOSITORY, writePrivateFile, type RunDir } from '../cluster/run-dir.ts';
import { DEFAULT_SHAPE, SMALL_SHAPE, type Shape } from '../cluster/shape.ts';
import { reservePort } from '../servers/ports.ts';
import { Compose, type Scale } from './compose.ts';
import { addressesOfContainers, describeContainers } from './describe.ts';
import { Docker } from './docker.ts';
import { openEngine, type Engine } from './engine.ts';
import { buildImage, ownImage } from './image.ts';
import { ensureSettings, type Settings } from './secrets.ts';
import { ensureImages } from './stand-ins.ts';

/** The file that marks the run folder of a cluster in containers. It names their engine. */
const MARK = 'containers.json';
const Mark = z.object({ host: z.string(), small: z.boolean().default(false) });
type Mark = z.infer<typeof Mark>;

/** A cluster that `up --containers` has brought up. */
export interface ContainerCluster {
  readonly engine: Engine;
  readonly compose: Compose;
  readonly file: ContainerClusterFile;
}

/** The engine and kind of this run folder's cluster; undefined when it does not consist of containers. */
export function findContainerMark(runDir: RunDir): Mark | undefined {
  const path = join(runDir.path, MARK);
  return existsSync(path) ? parseJsonAs(Mark, readFileSync(path, 'utf8')) : undefined;
}

interface UpContext {
  readonly runDir: RunDir;
  readonly progress: ProgressLog;
  readonly signal: AbortSignal;
}

/**
 * Brings the cluster up on a Docker engine, waits until it is ready by the same rule as with processes, and
 * writes `cluster.json`. On a running cluster it scales, and starts the containers that are missing.
 */
export async function upContainers(
  options: UpOptions,
  { runDir, progress, signal }: UpContext,
): Promise<ContainerCluster> {
  const mark = findContainerMark(runDir);
  const isSmall = mark?.small ?? options.small;
  refuseOtherShape(options, mark, isSmall);
  const report = (what: string): void => progress.line(what);
  runDir.make();
  const engine = await openEngine(report);
  const { docker } = engine;
  try {
    await ensureImages(docker, {
      report,
      signal,
      only: isSmall ? ['redis', 'mariadb'] : ['zookeeper', 'redis', 'mariadb', 'haproxy'],
    });
    if (process.env['KEYMILL_IMAGE'] === undefined) await ensureOwnImage(docker, report, signal);
  } catch (error) {
    await engine.release();
    throw error;
  }
  const compose = new Compose(docker, runDir, shapeOf(isSmall));
  const settings = ensureSettings(compose.envFile, runDir, await publishDefaults(compose.envFile));
  const before = mark === undefined ? [] : await compose.containers();
  const count = (service: string): number =>
    before.filter((container) => container.service === service).length;
  const scale: Scale = isSmall
    ? { producers: 0, mappers: 1 }
    : {
        producers: options.producers ?? (count('producer') || 3),
        mappers: options.mappers ?? (count('mapper') || 2),
      };
  writePrivateFile(
    join(runDir.path, MARK),
    `${JSON.stringify({ host: docker.host, project: compose.project, small: isSmall })}\n`,
  );
  progress.line('starting containers …');
  await compose.up(scale, () => undefined, signal);
  progress.line(
    isSmall ? 'the mapper is started' : `${scale.producers} producers and ${scale.mappers} mappers started`,
  );
  await untilNothingIsMissing(
    async () => {
      const file = await describeNow(compose, settings);
      return { producers: file.producers, mappers: file.mappers, addresses: addressesOfContainers(file) };
    },
    {
      progress,
      signal,
      hint: "Read each container's log with docker logs, then run ./scripts/up --containers again.",
    },
  );
  const file = await describeNow(compose, settings);
  await untilPublished(file.publicUrl, signal);
  writeClusterFile(runDir, file);
  return { engine, compose, file };
}

/**
 * Stops the containers of this run folder's cluster, and then the engine, if it is private and not in use.
 */
export async function downContainers(
  runDir: RunDir,
  progress: ProgressLog,
  { isWiped }: { isWiped: boolean },
): Promise<void> {
  rmSync(runDir.clusterFile, { force: true });
  const mark = findContainerMark(runDir);
  const found = await openEngine((what) => progress.line(what));
  // Uses the engine of this cluster: by now, another engine may answer at the usual socket.
  const docker = mark === undefined ? found.docker : new Docker(mark.host);
  try {
    progress.line('stopping mappers, producers and servers …');
    const shape = shapeOf(mark?.small ?? false);
    const compose = new Compose((await docker.answers()) ? docker : found.docker, runDir, shape);
    await compose.down(isWiped);
    if (!isWiped) return;
    rmSync(join(runDir.path, MARK), { force: true });
    if (!compose.envFile.startsWith(`${REPOSITORY}/.env`)) rmSync(compose.envFile, { force: true });
  } finally {
    await found.release();
  }
}

function shapeOf(isSmall: boolean): Shape {
  return isSmall ? SMALL_SHAPE : DEFAULT_SHAPE;
}

/** The compose file fixes the number of servers, so these options cannot change it. */
function refuseOtherShape(options: UpOptions, mark: Mark | undefined, isSmall: boolean): void {
  if (mark?.small === false && options.small)
    throw new UsageError(
      '--small: the cluster here is a full one. Leave the option out, or start from scratch: ./scripts/down --wipe',
    );
  const given = (
    [
      ['--keys-dbs', options.keysDbs],
      ['--redis', options.redis],
      ['--zookeepers', options.zookeepers],
      ['--mysql-servers', options.mysqlServers],
      ['--processes-per-mapper', options.processesPerMapper],
      ['--faultable', options.faultable || undefined],
      ['--zookeeper-open', options.zookeeperOpen || undefined],
      ['--servers-only', options.serversOnly || undefined],
      ...(isSmall
        ? ([
            ['--mappers', options.mappers],
            ['--producers', options.producers],
          ] as const)
        : []),
    ] as const
  ).filter(([, value]) => value !== undefined);
  if (given.length > 0) {
    const names = given.map(([name]) => name).join(', ');
    throw new UsageError(
      `${names}: with --containers ${isSmall ? 'docker-compose.small.yml' : 'docker-compose.yml'} says what runs; leave this option out`,
    );
  }
}

async function ensureOwnImage(
  docker: Docker,
  report: (what: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await ensureImages(docker, { report, signal, only: ['node'] });
  report(`building ${ownImage()} …`);
  await buildImage(docker, signal);
}

/**
 * Chooses the usual port or the next free one, once: short links contain it. Everybody on this machine may
 * make an account.
 */
async function publishDefaults(envFile: string): Promise<Record<string, string>> {
  if (existsSync(envFile) && readFileSync(envFile, 'utf8').includes('KEYMILL_PUBLISH=')) return {};
  const reserved = await reservePort(firstPort(8080));
  reserved.release();
  const address = `127.0.0.1:${reserved.port}`;
  return {
    KEYMILL_PUBLISH: address,
    KEYMILL_PUBLIC_URL: `http://${address}`,
    KEYMILL_SIGNUP: 'open',
    // Clients on this machine have no limits. Behind the engine all of them have one address.
    KEYMILL_LIMIT_ANONYMOUS: '0',
    KEYMILL_LIMIT_SIGN_IN: '0',
    KEYMILL_LIMIT_BAD_CREDENTIAL: '0',
    KEYMILL_LIMIT_NOT_FOUND: '0',
  };
}

const PUBLISHED_TIMEOUT_MS = 30_000;

/** Waits until a mapper is reached: it asks for a key, and only a mapper answers 404 or 302. */
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

/**
 * Writes `cluster.json` again from the containers of this moment: after a restart a container may have
 * another address.
 */
export async function refreshClusterFile(runDir: RunDir, compose: Compose): Promise<ContainerClusterFile> {
  const file = await describeNow(compose, ensureSettings(compose.envFile, runDir, {}));
  writeClusterFile(runDir, file);
  return file;
}

async function describeNow(compose: Compose, { env, secrets }: Settings): Promise<ContainerClusterFile> {
  return describeContainers(
    await compose.containers(),
    compose.shape,
    secrets,
    env['KEYMILL_PUBLIC_URL'] ?? '',
  );
}
