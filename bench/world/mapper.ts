import { join } from 'node:path';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import { readDegraded } from '../../scripts/cluster/readiness.ts';
import { stopProcess } from '../../scripts/servers/identity.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { lastLinesOf, startProcess } from '../../scripts/servers/process.ts';
import { bareEnvironment } from '../servers/environment.ts';
import { programOf } from '../servers/product.ts';
import type { PrivateCluster } from './private-cluster.ts';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

/** A mapper that only one bench uses: fresh caches, settings of its own, a known process id. */
export interface BenchMapper extends AsyncDisposable {
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
  /** The sum of a metric's samples; undefined for an unknown metric. */
  metric(name: string): Promise<number | undefined>;
}

let started = 0;

/**
 * Starts a mapper of the cluster's product.
 * @param program another program that starts one, of our own
 * @throws KeymillError when it is not ready in time
 */
export async function startMapper(
  cluster: PrivateCluster,
  signal: AbortSignal,
  settings: Readonly<Record<string, string>> = {},
  program = programOf(cluster.product, 'mapper'),
): Promise<BenchMapper> {
  const id = `bench-mapper-${++started}`;
  const [http, admin] = [await reserveAnyPort(), await reserveAnyPort()];
  const logFile = join(cluster.dir, `${id}.log`);
  const url = `http://127.0.0.1:${http.port}`;
  const adminUrl = `http://127.0.0.1:${admin.port}`;
  const { identity, hasExited } = await startProcess({
    id,
    command: cluster.product.node,
    args: [program],
    cwd: cluster.product.root,
    logFile,
    dieWithParent: true,
    env: {
      ...bareEnvironment(),
      ...cluster.variables,
      KEYMILL_ID: id,
      KEYMILL_HTTP_PORT: String(http.port),
      KEYMILL_ADMIN_PORT: String(admin.port),
      ...settings,
    },
  });
  const stop = async (): Promise<void> => {
    await stopProcess(identity, STOP_TIMEOUT_MS);
    http.release();
    admin.release();
  };
  try {
    const deadlineMs = monotonicMs() + READY_TIMEOUT_MS;
    while (!(await isReady(adminUrl))) {
      signal.throwIfAborted();
      if (hasExited() || monotonicMs() > deadlineMs) {
        throw new KeymillError(
          'BENCH_FAILED',
          `a mapper did not start:\n${lastLinesOf(logFile, 5).join('\n')}`,
        );
      }
      await pause(50, signal);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const metric = async (name: string): Promise<number | undefined> => {
    const page = await tryGet(`${adminUrl}/metrics`, 5_000);
    const samples = parseMetrics(page?.body ?? '').filter((sample) => sample.name === name);
    return samples.length === 0 ? undefined : samples.reduce((sum, { value }) => sum + value, 0);
  };
  return { url, adminUrl, pid: identity.pid, metric, [Symbol.asyncDispose]: stop };
}

/** Whether it is ready and nothing is degraded: every store is connected. */
async function isReady(adminUrl: string): Promise<boolean> {
  return (await readDegraded(adminUrl))?.length === 0;
}
