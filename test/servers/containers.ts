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
 * Servers as containers of testcontainers, each with a fixed address in a network of our own. Tests connect
 * to that address, because a published port would change with every start. So this works only on Linux, where
 * the host reaches the addresses of containers.
 *
 * A keeper process holds the engine and removes everything when this process ends, for whatever reason.
 */
export class ContainerServices implements Services {
  readonly #keeper: Keeper;
  readonly #client: ContainerRuntimeClient;
  readonly #network: Network;
  readonly #run: string;
  #addresses = 1;

  /** Opens an engine and ensures the images. Making stand-ins for them can take minutes. */
  static async open(): Promise<ContainerServices> {
    const run = `${process.pid}-${randomBytes(4).toString('hex')}`;
    const keeper = await Keeper.open(join(import.meta.dirname, 'keeper.ts'), run);
    // Without a registry there is no image for testcontainers' reaper. The keeper does its work.
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
    // Otherwise it searches for the host on a network that the engine may not have. We publish no ports.
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
      // While it loads its data, it answers -LOADING.
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
            ZOO_4LW_COMMANDS_WHITELIST: 'srvr',
            ZOO_CFG_EXTRA: 'minSessionTimeout=1000',
            SERVER_JVMFLAGS:
              '-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.forceSync=no -Dzookeeper.preAllocSize=4096',
          },
          // A server without a quorum answers too; only one that serves reports its mode.
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

  /** Makes the keeper remove the containers and the network, and stop the engine if it started it. */
  async close(): Promise<void> {
    await this.#keeper.close();
  }

  async #start(options: ContainerOptions): Promise<ContainerServer> {
    return ContainerServer.start(this.#client, this.#network.name, this.#run, options);
  }

  /** .1 is the address of the bridge. */
  #nextAddress(): string {
    this.#addresses += 1;
    return `${this.#network.prefix}.${this.#addresses}`;
  }
}

interface Network {
  readonly name: string;
  /** The first three numbers of the network's addresses. */
  readonly prefix: string;
}

/**
 * Docker accepts fixed addresses only in a network with a chosen range. After a clash, we try another range.
 */
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
