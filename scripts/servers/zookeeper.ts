import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reserveAnyPort, reservePort, type ReservedPort } from './ports.ts';
import { ask } from './probe.ts';
import { startServer, type RunningServer, type StartOptions } from './process.ts';

/** The ensemble looks for expired sessions this often. */
export const TICK_MS = 500;

export interface ZooKeeperPorts {
  readonly client: number;
  readonly quorum: number;
  readonly election: number;
}

export interface ZooKeeperOptions extends Omit<StartOptions, 'logFile'> {
  /** Contains one folder for each server. */
  readonly dir: string;
  readonly servers?: number;
  /** These ports or the next free ones; without them, any free ports. */
  readonly ports?: readonly ZooKeeperPorts[];
  /** True (default): a write is on disk before it is acknowledged. */
  readonly forceSync?: boolean;
  readonly logFile: (id: string) => string;
  /** Called when the ports are chosen, before any server starts. */
  readonly onPorts?: (ports: readonly ZooKeeperPorts[]) => void;
  readonly onSpawnOf?: (id: string, spawned: { pid: number; startTime: string }) => void;
}

/**
 * The settings of an ensemble, from which each of its servers can be started, and restarted after it was
 * killed.
 */
export interface ZooKeeperLayout {
  readonly options: ZooKeeperOptions;
  readonly ports: readonly ZooKeeperPorts[];
}

export interface RunningEnsemble {
  readonly connect: string;
  readonly layout: ZooKeeperLayout;
  readonly servers: readonly RunningServer[];
  stop(): Promise<void>;
}

/** Debian's paths. The manifest of zookeeper.jar names all other jars that it needs, except a logger. */
const CLASSPATH = ['/usr/share/java/slf4j-simple.jar', '/usr/share/java/zookeeper.jar'];

/**
 * The Debian packages without which no server can start; empty when it can. The launchers install them.
 * @param path the folders in which `java` is looked for, as in PATH
 * @param exists for tests
 */
export function missingZooKeeperPackages(path: string, exists = existsSync): string[] {
  const hasJava = path.split(':').some((folder) => exists(join(folder, 'java')));
  return [
    ...(exists('/usr/share/java/zookeeper.jar') ? [] : ['zookeeper']),
    ...(hasJava ? [] : ['default-jre-headless']),
  ];
}

/**
 * Starts a private ensemble. Resolves when every server accepts requests, which implies a quorum.
 * @throws StartError after it has stopped all servers
 */
export async function startZooKeeper(options: ZooKeeperOptions): Promise<RunningEnsemble> {
  const reserved = await reserveEnsemblePorts(options);
  const ports = reserved.map(([client, quorum, election]) => ({
    client: client.port,
    quorum: quorum.port,
    election: election.port,
  }));
  options.onPorts?.(ports);
  try {
    const layout = { options, ports };
    const starts = await Promise.allSettled(
      ports.map(async (_, index) => startZooKeeperServer(layout, index + 1)),
    );
    const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all(servers.map(async (server) => server.stop()));
      throw failed.reason;
    }
    return {
      connect: ports.map(({ client }) => `127.0.0.1:${client}`).join(','),
      layout,
      servers,
      stop: async () => void (await Promise.all(servers.map(async (server) => server.stop()))),
    };
  } finally {
    for (const port of reserved.flat()) port.release();
  }
}

/**
 * Starts server `number` (from 1) of an ensemble. Resolves when it accepts requests, which needs a quorum.
 * @throws StartError
 */
export async function startZooKeeperServer(layout: ZooKeeperLayout, number: number): Promise<RunningServer> {
  const { options, ports } = layout;
  const own = ports[number - 1];
  if (own === undefined) throw new RangeError(`the ensemble has no server ${number}`);
  const id = `zookeeper-${number}`;
  const dir = join(options.dir, id);
  await mkdir(join(dir, 'data'), { recursive: true, mode: 0o700 });
  await writeFile(join(dir, 'data', 'myid'), `${number}\n`);
  await writeFile(join(dir, 'zoo.cfg'), zooConfig(layout, own, join(dir, 'data')));
  return startServer({
    id,
    port: own.client,
    command: 'java',
    args: [...javaArgs(options), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', join(dir, 'zoo.cfg')],
    cwd: dir,
    logFile: options.logFile(id),
    dieWithParent: options.dieWithParent ?? true,
    // A server without a quorum answers too; only one that serves reports its mode.
    probe: async () => (await ask(own.client, 'srvr', (answer) => /Mode: \w+\n/.test(answer))) !== undefined,
    readyTimeoutMs: 40_000,
    stopTimeoutMs: 5_000,
    onSpawn: (spawned) => options.onSpawnOf?.(id, spawned),
    env: options.env,
    signal: options.signal,
  });
}

async function reserveEnsemblePorts(
  options: ZooKeeperOptions,
): Promise<[ReservedPort, ReservedPort, ReservedPort][]> {
  const reserve = async (port: number | undefined): Promise<ReservedPort> =>
    port === undefined ? reserveAnyPort() : reservePort(port);
  const all: [ReservedPort, ReservedPort, ReservedPort][] = [];
  for (let index = 0; index < (options.servers ?? 3); index++) {
    const preferred = options.ports?.[index];
    all.push([
      await reserve(preferred?.client),
      await reserve(preferred?.quorum),
      await reserve(preferred?.election),
    ]);
  }
  return all;
}

function zooConfig({ ports }: ZooKeeperLayout, own: ZooKeeperPorts, dataDir: string): string {
  return [
    `tickTime=${TICK_MS}`,
    'initLimit=20',
    // syncLimit × tick + 0.5 s must stay below the session timeout; otherwise every producer loses its
    // session when a leader stops.
    'syncLimit=3',
    `dataDir=${dataDir}`,
    `clientPort=${own.client}`,
    'clientPortAddress=127.0.0.1',
    'minSessionTimeout=1000',
    'maxClientCnxns=0',
    'admin.enableServer=false',
    // Of its four-letter words, the only one that we ask.
    '4lw.commands.whitelist=srvr',
    'autopurge.purgeInterval=1',
    // A single server is no ensemble: a lone "server.1" line makes it warn at every start.
    ...(ports.length === 1
      ? []
      : ports.map((port, index) => `server.${index + 1}=127.0.0.1:${port.quorum}:${port.election}`)),
    '',
  ].join('\n');
}

function javaArgs({ forceSync = true }: ZooKeeperOptions): string[] {
  return [
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    `-Dzookeeper.forceSync=${forceSync ? 'yes' : 'no'}`,
    '-Dzookeeper.preAllocSize=4096',
    '-Dzookeeper.jmx.log4j.disable=true',
    '-Dorg.slf4j.simpleLogger.logFile=System.out',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
    '-Dorg.slf4j.simpleLogger.showShortLogName=true',
    '-cp',
    CLASSPATH.filter((jar) => existsSync(jar)).join(':'),
  ];
}
