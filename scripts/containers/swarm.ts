import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { REPOSITORY } from '../cluster/run-dir.ts';

/** What we read of a service in docker-compose.yml; all else goes over as it stands. */
interface Service extends Record<string, unknown> {
  readonly image: string;
  readonly mem_limit: string;
  readonly restart: string;
  readonly volumes?: readonly string[];
  readonly healthcheck?: Readonly<Record<string, unknown>>;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const HEADER = `# The same cluster as a stack of a Docker swarm. Made from docker-compose.yml by scripts/containers/swarm.ts: change that, not this.
# How to deploy it: docs/operations.md. Our tests run it on a swarm of one node; on several hosts it has not been run.
`;

/** Ours, and without state: more of them, spread over the nodes, the new one healthy before the old one goes. */
const REPLICAS: Readonly<Record<string, number>> = { producer: 3, mapper: 2 };

/** Means nothing to a swarm, or is said under `deploy` there. */
const LEFT_OUT = new Set(['build', 'restart', 'mem_limit', 'depends_on', 'security_opt', 'volumes', 'ports']);

/** Files that compose mounts from the repository; a swarm brings them to whichever node needs them. */
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
 * A swarm knows a container's name only once it is healthy, and a quorum needs the names: here a server is healthy as soon as it answers.
 */
const ZOOKEEPER_ANSWERS = [
  'CMD',
  'bash',
  '-c',
  'exec 3<>/dev/tcp/127.0.0.1/2181 && echo ruok >&3 && grep -q imok <&3',
];

/** `deploy/swarm.yml` as it follows from `docker-compose.yml`. @throws Error at a mount it knows no place for */
export function swarmFile(): string {
  const text = readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
  const { services, volumes } = parse(text, { merge: true }) as ComposeFile;
  const stack = {
    version: '3.8',
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [name, ofSwarm(name, service)]),
    ),
    networks: { default: { driver: 'overlay' } },
    volumes,
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
    // In host mode a request reaches the haproxy of the node it was sent to, and its log shows the client's own address.
    ...(name === 'haproxy' && {
      ports: [{ target: 8080, published: '${KEYMILL_PUBLISH_PORT:-8080}', protocol: 'tcp', mode: 'host' }],
    }),
    deploy: deployment(name, service, data.length > 0),
  };
}

function deployment(name: string, service: Service, hasData: boolean): Record<string, unknown> {
  const replicas = REPLICAS[name];
  const common = {
    // Names stand for the containers themselves: clients keep their own connections, and haproxy chooses among the mappers.
    endpoint_mode: 'dnsrr',
    restart_policy: { condition: service.restart === 'on-failure' ? 'on-failure' : 'any', delay: '1s' },
    resources: { limits: { memory: service.mem_limit.toUpperCase() } },
  };
  if (replicas !== undefined) {
    const gates = { parallelism: 1, order: 'start-first', monitor: '30s' };
    return {
      ...common,
      replicas,
      update_config: { ...gates, failure_action: 'rollback' },
      rollback_config: { ...gates, failure_action: 'pause' },
      placement: { preferences: [{ spread: 'node.id' }] },
    };
  }
  return {
    ...common,
    replicas: 1,
    // Two on the same data, or the same port, there must not be.
    update_config: { parallelism: 1, order: 'stop-first', failure_action: 'rollback', monitor: '30s' },
    // A volume is of one node: the part stays where its data is.
    ...(hasData && { placement: { constraints: [`node.labels.keymill.${name} == true`] } }),
  };
}

/** `./mysql/keymill-databases.sh` is called `keymill-databases`. */
function nameOf(file: string): string {
  return file.replace(/^.*\//, '').replace(/\.[^.]*$/, '');
}
