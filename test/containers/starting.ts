import { PORTS } from '../../scripts/containers/addresses.ts';
import { ownImage } from '../../scripts/containers/image.ts';
import { tryGet } from '../../scripts/cluster/http.ts';
import { until } from '../until.ts';
import type { ContainerTestCluster } from './cluster.ts';

/** Half a second of computing on our machines. A mapper loads and prepares for a second. */
const SCRIPT = `
for (let times = 0; times < 10; times += 1) require('crypto').scryptSync('work', 'fixed', 32);
require('http').createServer((_, answer) => answer.end()).listen(${PORTS.admin});`;

interface Inspected {
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

/**
 * A container of our image in the networks of the mapper, not yet started. Its Node loads nothing, does some
 * fixed work and serves its admin port: how long that takes is the speed of the machine at present.
 */
export async function createFixedWork(
  cluster: ContainerTestCluster,
  mapper: string,
): Promise<AsyncDisposable & { readonly name: string }> {
  const { docker } = cluster.engine;
  const { project } = cluster.compose;
  const name = `${project}-fixed-work`;
  const [network = '', ...others] = Object.keys((await inspect(cluster, mapper)).NetworkSettings.Networks);
  const label = `com.docker.compose.project=${project}`;
  const options = ['--read-only', '--network', network, '--label', label, '--name', name];
  await docker.run(['create', ...options, ownImage(), '-e', SCRIPT]);
  for (const other of others) await docker.run(['network', 'connect', other, name]);
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      await docker.run(['rm', '--force', name]);
    },
  };
}

/** Starts a stopped container. Resolves, when it answers at its admin port, with the ms that it took. */
export async function startMs(cluster: ContainerTestCluster, name: string): Promise<number> {
  const began = performance.now();
  await cluster.ask('POST', `/containers/${name}/start`);
  const [network] = Object.values((await inspect(cluster, name)).NetworkSettings.Networks);
  const url = `http://${network?.IPAddress}:${PORTS.admin}/livez`;
  await until(`${name} to be alive`, async () => (await tryGet(url))?.status === 200, { everyMs: 20 });
  return Math.round(performance.now() - began);
}

async function inspect(cluster: ContainerTestCluster, name: string): Promise<Inspected> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The engine's API has this form.
  return JSON.parse(await cluster.ask('GET', `/containers/${name}/json`)) as Inspected;
}
