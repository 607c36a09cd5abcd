import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { SMALL_SHAPE } from '../../scripts/cluster/shape.ts';
import { ownImage } from '../../scripts/containers/image.ts';
import { until } from '../until.ts';
import { ContainerTestCluster } from './cluster.ts';

const MIB = 2 ** 20;
const PATIENCE = { timeoutMs: 120_000, everyMs: 100 };
const TARGET = 'https://example.com/small';

/** What the engine says about a container. */
interface Inspected {
  readonly State: { readonly Health?: { readonly Status: string } };
  readonly HostConfig: {
    readonly Memory: number;
    readonly ReadonlyRootfs: boolean;
    readonly CapDrop: readonly string[] | null;
    readonly PortBindings: Readonly<Record<string, readonly { readonly HostIp: string }[]>>;
  };
}

/** The cluster of docker-compose.small.yml, as `./scripts/up --small --containers` starts it. */
describe('a small cluster in containers', function () {
  this.timeout(600_000);
  const cluster = new ContainerTestCluster('small-containers', SMALL_SHAPE);
  let key: string;

  before(async () => {
    // The suite has built it, and every `up` would pack and send all modules again.
    process.env['KEYMILL_IMAGE'] = ownImage();
    await cluster.up();
  });

  after(async () => {
    delete process.env['KEYMILL_IMAGE'];
    await cluster.destroyWholly();
  });

  async function follow(): Promise<{ status: number; to: string | null }> {
    const { status, headers } = await fetch(`${cluster.file.publicUrl}/${key}`, { redirect: 'manual' });
    return { status, to: headers.get('location') };
  }

  async function inspect(service: string): Promise<Inspected> {
    const found = (await cluster.running()).find((container) => container.service === service);
    const [inspected] = JSON.parse(await cluster.engine.docker.run(['inspect', found?.name ?? ''])) as [
      Inspected,
    ];
    return inspected;
  }

  it('shortens and follows a link through the one published port, with keys by counter', async () => {
    const { publicUrl, mappers } = cluster.file;
    const made = await fetch(`${publicUrl}/urls`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ long_url: TARGET }),
    });
    const text = await made.text();
    expect(made.status, text).to.equal(201);
    const answer = JSON.parse(text) as { unique_id: string; short_url: string };
    key = answer.unique_id;
    expect(answer.short_url).to.equal(`${publicUrl}/${key}`);
    expect(await follow()).to.deep.equal({ status: 302, to: TARGET });
    expect(mappers).to.have.lengthOf(1);
  });

  it('is one of everything, each healthy, within its memory, and only the mapper has a port', async () => {
    const { services } = parse(readFileSync(join(REPOSITORY, 'docker-compose.small.yml'), 'utf8'), {
      merge: true,
    }) as { services: Record<string, { mem_limit: string }> };
    const running = (await cluster.running()).map(({ service }) => service);
    expect(running.toSorted()).to.deep.equal(['mapper', 'mysql-1', 'redis-1']);
    for (const service of running) {
      const { HostConfig } = await inspect(service);
      expect(HostConfig.Memory, service).to.equal(parseInt(services[service]?.mem_limit ?? '', 10) * MIB);
      const bindings = Object.values(HostConfig.PortBindings ?? {}).flat();
      expect(
        bindings.map(({ HostIp }) => HostIp),
        service,
      ).to.deep.equal(service === 'mapper' ? ['127.0.0.1'] : []);
      await until(
        `${service} to be healthy`,
        async () => (await inspect(service)).State.Health?.Status === 'healthy',
        PATIENCE,
      );
    }
    const { HostConfig } = await inspect('mapper');
    expect(HostConfig).to.deep.include({ ReadonlyRootfs: true, CapDrop: ['ALL'] });
  });

  it('comes back by itself when its processes are killed, with its links', async () => {
    for (const container of await cluster.running()) {
      await cluster.kill(container.name);
      await cluster.restarted(container.name, container);
    }
    await until('the link to be followed', async () => (await follow()).to === TARGET, PATIENCE);
    await cluster.quiet();
  });

  it('is told by the commands: status, and an audit that balances', async () => {
    const status = await cluster.commands.keymill<{ mappers: unknown[]; unreachable: string[] }>('status');
    expect(status.mappers).to.have.lengthOf(1);
    expect(status.unreachable).to.deep.equal([]);
    const audit = await cluster.commands.keymill<{ balanced: boolean; bound: number }>('audit');
    expect(audit).to.include({ balanced: true, bound: 1 });
    const grow = await cluster.commands.must('keymill', 'grow');
    expect(grow.stdout).to.include('these steps are for your own tool');
  });

  it('stays a small one, also without --small, and refuses numbers', async () => {
    const refused = await cluster.commands.run('up', '--containers', '--mappers', '2', '--detach');
    expect(refused).to.include({ code: 2 });
    expect(refused.stderr).to.include('--mappers: with --containers docker-compose.small.yml says what runs');
  });
});
