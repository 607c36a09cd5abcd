import { randomBytes, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { getContainerRuntimeClient, type ContainerRuntimeClient } from 'testcontainers';
import { pinnedImage } from '../../scripts/containers/images.ts';
import { ask } from '../../scripts/servers/probe.ts';
import { ContainerServer, type ContainerOptions } from './container-server.ts';
import { Keeper } from './keeping.ts';
import { RUN_LABEL } from './run-label.ts';
import type { Ensemble, MysqlServer, RedisServer, Services } from './services.ts';

/**
 * Servers as containers, made by testcontainers, in a network of our own in which each has an address that it keeps. Tests talk to that
 * address: a published port would be another one after every start. (So this is for Linux, where containers' addresses can be reached.)
 *
 * A keeper process holds the engine and removes everything when this process ends, in whatever way.
 */
export class ContainerServices implements Services {
  readonly #keeper: Keeper;
  readonly #client: ContainerRuntimeClient;
  readonly #network: Network;
  readonly #run: string;
  #addresses = 1;

  /** Finds or starts an engine and sees to the images, which can take minutes where stand-ins have to be made. */
  static async open(): Promise<ContainerServices> {
    const run = `${process.pid}-${randomBytes(4).toString('hex')}`;
    const keeper = await Keeper.open(join(import.meta.dirname, 'keeper.ts'), run);
    // Not even the reaper's image is there where no registry answers; the keeper does its work.
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
    // It would look for the host on a network that an engine need not have. Nothing is published there.
    process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1';
    process.env['DOCKER_HOST'] = keeper.firstLine;
    const client = await getContainerRuntimeClient();
    return new ContainerServices(keeper, client, await createNetwork(client, run), run);
  }

  private constructor(keeper: Keeper, client: ContainerRuntimeClient, network: Network, run: string) {
    this.#keeper = keeper;
    this.#client = client;
    this.#network = network;
    this.#run = run;
  }

  async startMysql({ id, durable = false }: Parameters<Services['startMysql']>[0]): Promise<MysqlServer> {
    const password = randomBytes(12).toString('hex');
    const address = this.#nextAddress();
    const server = await this.#start({
      id,
      address,
      port: 3306,
      image: pinnedImage('mariadb'),
      environment: {
        MYSQL_ROOT_PASSWORD: randomBytes(12).toString('hex'),
        MYSQL_USER: 'keymill',
        MYSQL_PASSWORD: password,
      },
      files: {
        '/docker-entrypoint-initdb.d/grants.sql': "GRANT ALL ON *.* TO 'keymill'@'%' WITH GRANT OPTION;\n",
      },
      command: [
        '--skip-name-resolve',
        '--skip-log-bin',
        '--performance-schema=OFF',
        '--innodb-buffer-pool-size=128M',
        '--innodb-log-file-size=32M',
        `--innodb-flush-log-at-trx-commit=${durable ? 1 : 0}`,
        '--max-connections=1000',
        '--max-allowed-packet=64M',
        '--character-set-server=utf8mb4',
      ],
      isReady: async () =>
        (await ask(3306, '', (answer) => answer.includes('MariaDB'), { host: address })) !== undefined,
    });
    return Object.assign(server, {
      url: (database: string) => `mysql://keymill:${password}@${address}:3306/${database}`,
    });
  }

  async startRedis({ id, databases = 1 }: Parameters<Services['startRedis']>[0]): Promise<RedisServer> {
    const password = randomBytes(12).toString('hex');
    const address = this.#nextAddress();
    const settings = {
      requirepass: password,
      appendonly: 'yes',
      save: '',
      databases: String(databases),
      'maxmemory-policy': 'noeviction',
    };
    const hello = `AUTH ${password}\r\nPING\r\n`;
    const server = await this.#start({
      id,
      address,
      port: 6379,
      image: pinnedImage('redis'),
      command: ['redis-server', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])],
      // While it loads its data it answers -LOADING.
      isReady: async () =>
        (await ask(6379, hello, (text) => /\+PONG|-\w+/.test(text), { host: address }))?.includes('+PONG') ??
        false,
    });
    return Object.assign(server, {
      url: (database = 0) => `redis://:${password}@${address}:6379/${database}`,
    });
  }

  async startZooKeeper({ id, servers = 3 }: Parameters<Services['startZooKeeper']>[0]): Promise<Ensemble> {
    const addresses = Array.from({ length: servers }, () => this.#nextAddress());
    const started = await Promise.all(
      addresses.map(async (address, index) =>
        this.#start({
          id: `${id}-${index + 1}`,
          address,
          port: 2181,
          image: pinnedImage('zookeeper'),
          environment: {
            ZOO_MY_ID: String(index + 1),
            ZOO_SERVERS: addresses.map((each, at) => `server.${at + 1}=${each}:2888:3888;2181`).join(' '),
            ZOO_TICK_TIME: '500',
            ZOO_INIT_LIMIT: '20',
            ZOO_SYNC_LIMIT: '3',
            ZOO_MAX_CLIENT_CNXNS: '0',
            ZOO_ADMINSERVER_ENABLED: 'false',
            ZOO_4LW_COMMANDS_WHITELIST: '*',
            ZOO_CFG_EXTRA: 'minSessionTimeout=1000',
            SERVER_JVMFLAGS:
              '-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.forceSync=no -Dzookeeper.preAllocSize=4096',
          },
          // "imok" comes also from a server without a quorum; only one that serves names its mode.
          isReady: async () =>
            (await ask(2181, 'srvr', (answer) => /Mode: \w+\n/.test(answer), { host: address })) !==
            undefined,
        }),
      ),
    );
    return {
      connect: addresses.map((address) => `${address}:2181`).join(','),
      servers: started,
      stop: async () => void (await Promise.all(started.map(async (server) => server.stop()))),
    };
  }

  /** The keeper removes containers and network, and leaves the engine, or stops it if it started it. */
  async close(): Promise<void> {
    await this.#keeper.close();
  }

  async #start(options: ContainerOptions): Promise<ContainerServer> {
    return ContainerServer.start(this.#client, this.#network.name, this.#run, options);
  }

  /** .1 is the bridge itself. */
  #nextAddress(): string {
    this.#addresses += 1;
    return `${this.#network.prefix}.${this.#addresses}`;
  }
}

interface Network {
  readonly name: string;
  /** The first three numbers of its addresses. */
  readonly prefix: string;
}

/** Addresses can be chosen only in a network whose range was chosen: one of many, so that the next try after a clash is another. */
async function createNetwork(client: ContainerRuntimeClient, run: string): Promise<Network> {
  const name = `keymill-test-${run}`;
  for (let attempt = 0; ; attempt++) {
    const prefix = `10.${randomInt(128, 255)}.${randomInt(256)}`;
    try {
      await client.network.create({
        Name: name,
        Driver: 'bridge',
        IPAM: { Config: [{ Subnet: `${prefix}.0/24`, Gateway: `${prefix}.1` }] },
        Labels: { [RUN_LABEL]: run },
      });
      return { name, prefix };
    } catch (error) {
      if (attempt === 9) throw error;
    }
  }
}
