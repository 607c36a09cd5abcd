import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY, type RunDir } from '../cluster/run-dir.ts';
import { DEFAULT_SHAPE, isSmall, type Shape } from '../cluster/shape.ts';
import { command, tryCommand, type Docker } from './docker.ts';

/** One container of the cluster in its present state. */
export interface Container {
  readonly name: string;
  readonly id: string;
  readonly service: string;
  /** 1, 2, … within its service. */
  readonly number: number;
  readonly hostname: string;
  /** In the cluster's network; empty while it does not run. */
  readonly address: string;
  /** Process id of its main process on the engine's machine; 0 while it does not run. */
  readonly pid: number;
  readonly state: string;
}

export interface Scale {
  readonly producers: number;
  readonly mappers: number;
}

/** The services, those first that need the others while they stop, as far as their order matters. */
const FULL = { file: 'docker-compose.yml', stopping: [['haproxy', 'mapper'], ['producer']] } as const;
/** Its mapper has the one published port, so that there can be only one. */
const SMALL = { file: 'docker-compose.small.yml', stopping: [['mapper']] } as const;

const UP_TIMEOUT_MS = 600_000;
const DOWN_TIMEOUT_MS = 180_000;

/**
 * Runs docker-compose 1.29 (Debian's) or the newer plugin, whichever is installed, on one of our files and
 * one project.
 */
export class Compose {
  readonly project: string;
  readonly envFile: string;
  readonly shape: Shape;
  readonly #kind: typeof FULL | typeof SMALL;
  readonly #docker: Docker;

  /** @param shape of docker-compose.yml, or of docker-compose.small.yml */
  constructor(docker: Docker, runDir: RunDir, shape = DEFAULT_SHAPE) {
    this.shape = shape;
    this.#kind = isSmall(shape) ? SMALL : FULL;
    this.#docker = docker;
    this.project = projectOf(runDir);
    this.envFile = envFileOf(runDir);
  }

  /**
   * Starts the missing containers and scales. Resolves when every container was started; compose starts each
   * one after the containers that it depends on.
   */
  async up(
    { producers, mappers }: Scale,
    onLine: (line: string) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const scale =
      this.#kind === SMALL ? [] : ['--scale', `producer=${producers}`, '--scale', `mapper=${mappers}`];
    await this.run(['up', '--detach', '--no-build', ...scale], {
      onLine,
      timeoutMs: UP_TIMEOUT_MS,
      ...(signal && { signal }),
    });
  }

  /**
   * Stops and removes the containers, mappers first: they give their keys back to the pools.
   * @param isWiped whether to delete the data too
   */
  async down(isWiped: boolean): Promise<void> {
    for (const services of this.#kind.stopping)
      await this.run(['stop', ...services], { timeoutMs: DOWN_TIMEOUT_MS });
    await this.run(['down', '--remove-orphans', ...(isWiped ? ['--volumes'] : [])], {
      timeoutMs: DOWN_TIMEOUT_MS,
    });
  }

  async run(args: readonly string[], options: Parameters<typeof command>[2] = {}): Promise<string> {
    const [program, ...first] = await composeCommand();
    const file = join(REPOSITORY, this.#kind.file);
    return command(
      program ?? '',
      [...first, '--project-name', this.project, '--file', file, '--env-file', this.envFile, ...args],
      { env: this.#docker.environment, cwd: REPOSITORY, ...options },
    );
  }

  /** Every container of the project, running or not, including those that run once. */
  async containers(): Promise<Container[]> {
    const ids = await this.#docker.lines([
      'ps',
      '--all',
      '--quiet',
      '--filter',
      `label=com.docker.compose.project=${this.project}`,
    ]);
    if (ids.length === 0) return [];
    // A container may vanish meanwhile. `inspect` fails then, but still describes the others.
    const { stdout } = await this.#docker.try(['inspect', '--format', INSPECT, ...ids]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => parseContainer(line));
  }
}

const INSPECT =
  '{{.Name}}\t{{.Id}}\t{{index .Config.Labels "com.docker.compose.service"}}' +
  '\t{{index .Config.Labels "com.docker.compose.container-number"}}' +
  '\t{{.Config.Hostname}}\t{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}\t{{.State.Pid}}\t{{.State.Status}}';

function parseContainer(line: string): Container {
  const [name = '', id = '', service = '', number = '', hostname = '', addresses = '', pid = '', state = ''] =
    line.split('\t');
  return {
    name: name.replace(/^\//, ''),
    id,
    service,
    number: Number(number),
    hostname,
    address: addresses.trim().split(' ', 1)[0] ?? '',
    pid: Number(pid),
    state,
  };
}

/** `keymill` for the cluster in `.run`; for other clusters, a name made from their folder. */
function projectOf(runDir: RunDir): string {
  if (runDir.path === join(REPOSITORY, '.run')) return 'keymill';
  return `keymill-${createHash('sha256').update(runDir.path).digest('hex').slice(0, 8)}`;
}

/** For the cluster in `.run`, the path that compose reads by default; for others, a file in their folder. */
function envFileOf(runDir: RunDir): string {
  return runDir.path === join(REPOSITORY, '.run') ? join(REPOSITORY, '.env') : join(runDir.path, '.env');
}

async function composeCommand(): Promise<string[]> {
  const debian = '/usr/bin/docker-compose';
  if (existsSync(debian)) return [debian];
  const plugin = await tryCommand('docker', ['compose', 'version']).catch(() => undefined);
  return plugin?.exitCode === 0 ? ['docker', 'compose'] : ['docker-compose'];
}
