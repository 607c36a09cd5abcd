import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { REPOSITORY } from '../cluster/run-dir.ts';

/** The fields of a service in docker-compose.yml that we read. All others are copied unchanged. */
interface Service extends Record<string, unknown> {
  readonly image: string;
  readonly mem_limit: string;
  readonly restart: string;
  readonly volumes?: readonly string[];
  readonly healthcheck?: Readonly<Record<string, unknown>>;
  /** It starts only when one of them is asked for. */
  readonly profiles?: readonly string[];
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const HEADER = `# The cluster of docker-compose.yml as a stack of a Docker swarm. scripts/containers/swarm.ts makes this file:
# change docker-compose.yml and make it again. docs/operations.md says how to deploy it. Our tests run it on a
# swarm of one node; it was never run on several hosts.
`;

/**
 * Our stateless services: several replicas, spread over the nodes. A new one is healthy before an old one is
 * stopped.
 */
const REPLICAS: Readonly<Record<string, number>> = { producer: 3, mapper: 2 };

/** Settings that a swarm does not have, or has under `deploy`. */
const LEFT_OUT = new Set(['build', 'restart', 'mem_limit', 'depends_on', 'security_opt', 'volumes', 'ports']);

/**
 * The volume of images. On each node it is another one, so the services that mount it are on one node, or on
 * several that share it in some way. docs/operations.md says how.
 */
const SHARED = 'blobs';

/** Files that compose mounts from the repository. A swarm copies them to the node that needs them. */
const CONFIGS: Readonly<Record<string, { readonly file: string; readonly target: string }>> = {
  './deploy/mysql:/docker-entrypoint-initdb.d:ro': {
    file: './mysql/keymill-databases.sh',
    target: '/docker-entrypoint-initdb.d/keymill-databases.sh',
  },
  './deploy/haproxy/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro': {
    file: './haproxy/haproxy.cfg',
    target: '/usr/local/etc/haproxy/haproxy.cfg',
  },
};

/**
 * A swarm resolves a container's name only when the container is healthy, and a quorum needs the names of its
 * servers. So in a swarm, a server is healthy as soon as it answers.
 */
const ZOOKEEPER_ANSWERS = [
  'CMD',
  'bash',
  '-c',
  'exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && grep -qi zookeeper <&3',
];

/**
 * The text of `deploy/swarm.yml`, made from `docker-compose.yml`.
 * @throws Error at a mount that {@link CONFIGS} lacks
 */
export function swarmFile(): string {
  const text = readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  const { services: all, volumes, networks, secrets } = parse(text, { merge: true }) as ComposeFile;
  // A swarm has no profiles.
  const services = Object.fromEntries(
    Object.entries(all).filter(([, { profiles }]) => profiles === undefined),
  );
  const mounts = Object.values(services).flatMap((service) => service.volumes ?? []);
  const isMounted = (volume: string): boolean => mounts.some((mount) => mount.startsWith(`${volume}:`));
  const stack = {
    version: '3.8',
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [name, ofSwarm(name, service)]),
    ),
    // Attachable, so that the program in front of haproxy can join its network.
    networks: Object.fromEntries(
      Object.keys(networks).map((name) => [name, { driver: 'overlay', attachable: name === 'front' }]),
    ),
    secrets: Object.fromEntries(
      // Paths are relative to the file that names them.
      Object.entries(secrets).map(([name, { file }]) => [name, { file: file.replace('./.run', '../.run') }]),
    ),
    volumes: Object.fromEntries(Object.entries(volumes).filter(([name]) => isMounted(name))),
    configs: Object.fromEntries(Object.values(CONFIGS).map(({ file }) => [nameOf(file), { file }])),
  };
  return HEADER + stringify(stack, { aliasDuplicateObjects: false, lineWidth: 0 });
}

function ofSwarm(name: string, service: Service): Record<string, unknown> {
  const kept = Object.entries(service).filter(([key]) => !LEFT_OUT.has(key));
  const mounts = service.volumes ?? [];
  const files = mounts.filter((mount) => mount.startsWith('.'));
  const data = mounts.filter((mount) => !mount.startsWith('.'));
  const configs = files.map((mount) => {
    const config = CONFIGS[mount];
    if (config === undefined)
      throw new Error(`docker-compose.yml: ${name} mounts ${mount}: no config for it`);
    return { source: nameOf(config.file), target: config.target };
  });
  return {
    ...Object.fromEntries(kept),
    ...(name.startsWith('zookeeper-') && {
      healthcheck: { ...service.healthcheck, test: ZOOKEEPER_ANSWERS },
    }),
    ...(data.length > 0 && { volumes: data }),
    ...(configs.length > 0 && { configs }),
    deploy: deployment(name, service, labelOf(name, data)),
  };
}

/** The label of the nodes that have the data of a service. Undefined: it has none. */
function labelOf(name: string, mounts: readonly string[]): string | undefined {
  if (mounts.length === 0) return undefined;
  return mounts.every((mount) => mount.startsWith(`${SHARED}:`)) ? SHARED : name;
}

function deployment(name: string, service: Service, label: string | undefined): Record<string, unknown> {
  const replicas = REPLICAS[name];
  const common = {
    // A name resolves to the containers' addresses: clients keep their own connections, and haproxy chooses a
    // mapper.
    endpoint_mode: 'dnsrr',
    restart_policy: { condition: service.restart === 'on-failure' ? 'on-failure' : 'any', delay: '1s' },
    resources: { limits: { memory: service.mem_limit.toUpperCase() } },
  };
  const constraints = label === undefined ? undefined : [`node.labels.keymill.${label} == true`];
  if (replicas !== undefined) {
    const gates = { parallelism: 1, order: 'start-first', monitor: '30s' };
    return {
      ...common,
      replicas,
      update_config: { ...gates, failure_action: 'rollback' },
      rollback_config: { ...gates, failure_action: 'pause' },
      placement: { ...(constraints && { constraints }), preferences: [{ spread: 'node.id' }] },
    };
  }
  return {
    ...common,
    replicas: 1,
    // Two containers must not share data or a port.
    update_config: { parallelism: 1, order: 'stop-first', failure_action: 'rollback', monitor: '30s' },
    // A volume belongs to one node, so the service stays on that node.
    ...(constraints && { placement: { constraints } }),
  };
}

/** `./mysql/keymill-databases.sh` → `keymill-databases`. */
function nameOf(file: string): string {
  return file.replace(/^.*\//, '').replace(/\.[^.]*$/, '');
}
