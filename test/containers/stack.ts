import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import { Docker } from '../../scripts/containers/docker.ts';
import { ensureSettings } from '../../scripts/containers/secrets.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { testFolder } from '../servers.ts';
import { Keeper } from '../servers/keeping.ts';
import { until } from '../until.ts';

const FILE = join(REPOSITORY, 'deploy', 'swarm.yml');
/** Publishes the port. */
const PUBLIC_FILE = join(REPOSITORY, 'deploy', 'swarm-public.yml');
const CONVERGE_MS = 300_000;

interface StackFile {
  readonly services: Readonly<
    Record<string, { readonly deploy: { readonly placement?: { readonly constraints?: readonly string[] } } }>
  >;
}

/** `deploy/swarm.yml` as a stack on a swarm of one node, deployed as docs/operations.md says. */
export class TestStack {
  readonly name = `keymill-test-${process.pid}`;
  #keeper: Keeper | undefined;
  #publicUrl = '';

  /** Creates the swarm if there is none, deploys the stack, and waits until everything runs. */
  async up(): Promise<void> {
    const { services } = parse(readFileSync(FILE, 'utf8')) as StackFile;
    const labels = Object.values(services).flatMap(({ deploy }) =>
      (deploy.placement?.constraints ?? []).map((constraint) =>
        constraint.replace(/^node\.labels\.(\S+) == true$/, '$1'),
      ),
    );
    const script = join(import.meta.dirname, 'stack-keeper.ts');
    this.#keeper = await Keeper.open(script, this.name, ...labels);
    const reserved = await reserveAnyPort();
    reserved.release();
    this.#publicUrl = `http://127.0.0.1:${reserved.port}`;
    await this.#deploy(String(reserved.port));
    await this.#converged();
  }

  get docker(): Docker {
    if (this.#keeper === undefined) throw new Error('the stack is not up');
    return new Docker(this.#keeper.firstLine);
  }

  /** The URL of the node's own port, which belongs to haproxy. */
  get publicUrl(): string {
    return this.#publicUrl;
  }

  /** Waits until every service has all its healthy replicas, and the databases are prepared. */
  async #converged(): Promise<void> {
    await until(
      'every service to have its replicas',
      async () => {
        const services = await this.docker.lines([
          'service',
          'ls',
          `--filter=label=com.docker.stack.namespace=${this.name}`,
          '--format={{.Name}} {{.Replicas}}',
        ]);
        const late = services.filter((line) => {
          const [, service = '', running, wanted] = /^\S+_(\S+) (\d+)\/(\d+)/.exec(line) ?? [];
          return service !== 'prepare' && running !== wanted;
        });
        if (late.length > 0) throw new Error(late.join(', '));
        return services.length > 0 && (await this.#isPrepared());
      },
      { timeoutMs: CONVERGE_MS, everyMs: 500 },
    );
  }

  /** The running containers of a service. */
  async containersOf(service: string): Promise<string[]> {
    const filter = `--filter=label=com.docker.swarm.service.name=${this.name}_${service}`;
    return this.docker.lines(['ps', '--quiet', filter]);
  }

  /** Runs the operator's command in a container, because the host cannot reach the stack's network. */
  async keymill<T>(...args: string[]): Promise<T> {
    const [producer = ''] = await this.containersOf('producer');
    const { stdout } = await this.docker.try([
      'exec',
      producer,
      '/bin/node',
      'scripts/keymill.ts',
      ...args,
      '--json',
    ]);
    return JSON.parse(stdout) as T;
  }

  /** The end of a service's output. */
  async log(service: string): Promise<string> {
    return (await this.docker.try(['service', 'logs', '--tail=30', `${this.name}_${service}`])).stdout;
  }

  /** Removes the stack, and the swarm if there was none before. */
  async destroy(): Promise<void> {
    await this.#keeper?.close();
  }

  async #deploy(port: string): Promise<void> {
    const folder = join(testFolder(), 'stack');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const env = {
      ...this.docker.environment,
      ...ensureSettings(join(folder, '.env'), new RunDir(folder), {}).env,
      KEYMILL_PUBLISH_PORT: port,
      // All clients of a test have one address.
      KEYMILL_LIMIT_ANONYMOUS: '0',
      KEYMILL_LIMIT_NOT_FOUND: '0',
      KEYMILL_PUBLIC_URL: this.publicUrl,
    };
    // The images exist only on this node and in no registry.
    const options = ['--resolve-image=never', `--compose-file=${FILE}`, `--compose-file=${PUBLIC_FILE}`];
    await this.docker.run(['stack', 'deploy', ...options, this.name], { env });
  }

  async #isPrepared(): Promise<boolean> {
    const states = await this.docker.lines([
      'service',
      'ps',
      '--format={{.CurrentState}}',
      `${this.name}_prepare`,
    ]);
    return states.some((state) => state.startsWith('Complete'));
  }
}
