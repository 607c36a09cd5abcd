import { setTimeout as delay } from 'node:timers/promises';
import { GenericContainer, type ContainerRuntimeClient, type WaitStrategy } from 'testcontainers';
import { RUN_LABEL } from './run-label.ts';
import { READY_TIMEOUT_MS, type Server } from './services.ts';

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>;

export interface ContainerOptions {
  readonly id: string;
  readonly image: string;
  readonly address: string;
  readonly port: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** File contents by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly isReady: () => Promise<boolean>;
}

/** A server in a container of testcontainers. The engine's own commands inject its faults. */
export class ContainerServer implements Server {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly #client: ContainerRuntimeClient;
  readonly #network: string;
  readonly #run: string;
  readonly #options: ContainerOptions;
  #container: Container;
  #isPaused = false;

  static async start(
    client: ContainerRuntimeClient,
    network: string,
    run: string,
    options: ContainerOptions,
  ): Promise<ContainerServer> {
    const container = await create(client, network, run, options);
    return new ContainerServer(client, network, run, options, container);
  }

  private constructor(
    client: ContainerRuntimeClient,
    network: string,
    run: string,
    options: ContainerOptions,
    container: Container,
  ) {
    this.id = options.id;
    this.host = options.address;
    this.port = options.port;
    this.#client = client;
    this.#network = network;
    this.#run = run;
    this.#options = options;
    this.#container = container;
  }

  async kill(): Promise<void> {
    await this.resume();
    await this.#container.kill({ signal: 'SIGKILL' });
    await this.#container.wait();
  }

  async restart({ wiped = false } = {}): Promise<void> {
    if (wiped) {
      await this.stop();
      this.#container = await create(this.#client, this.#network, this.#run, this.#options);
      return;
    }
    await this.#container.start();
    await whenReady(this.#container, this.#options);
  }

  async pause(): Promise<void> {
    await this.#container.pause();
    this.#isPaused = true;
  }

  async resume(): Promise<void> {
    if (!this.#isPaused) return;
    await this.#container.unpause();
    this.#isPaused = false;
  }

  async disconnect(): Promise<void> {
    await this.#client.network
      .getById(this.#network)
      .disconnect({ Container: this.#container.id, Force: true });
  }

  async connect(): Promise<void> {
    await this.#client.network.getById(this.#network).connect({
      Container: this.#container.id,
      EndpointConfig: { IPAMConfig: { IPv4Address: this.host } },
    });
  }

  async log(): Promise<string> {
    const output = await this.#container.logs({ stdout: true, stderr: true, follow: false });
    return output.toString('utf8');
  }

  async stop(): Promise<void> {
    try {
      await this.#container.remove({ force: true, v: true });
    } catch (error) {
      // It was removed already, perhaps by the keeper.
      if (![404, 409].includes((error as { statusCode?: number }).statusCode ?? 0)) throw error;
    }
  }
}

/** testcontainers chooses the address of a container; a test server needs a fixed one. */
class AddressedContainer extends GenericContainer {
  withAddress(network: string, address: string): this {
    this.createOpts.NetworkingConfig = {
      EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: address } } },
    };
    return this.withNetworkMode(network);
  }
}

async function create(
  client: ContainerRuntimeClient,
  network: string,
  run: string,
  options: ContainerOptions,
): Promise<Container> {
  const { id, image, address, environment = {}, command = [], files = {} } = options;
  const definition = new AddressedContainer(image)
    .withName(`${network}-${id}`)
    .withHostname(id)
    .withAddress(network, address)
    .withLabels({ [RUN_LABEL]: run })
    .withEnvironment({ ...environment })
    .withCopyContentToContainer(Object.entries(files).map(([target, content]) => ({ target, content })))
    .withWaitStrategy(WAITED_FOR_HERE);
  if (command.length > 0) definition.withCommand([...command]);
  const started = await definition.start();
  const container = client.container.getById(started.getId());
  await whenReady(container, options);
  return container;
}

/** The library waits for published ports, which we do not use. */
const WAITED_FOR_HERE: WaitStrategy = {
  waitUntilReady: async () => undefined,
  withStartupTimeout: () => WAITED_FOR_HERE,
  isStartupTimeoutSet: () => false,
  getStartupTimeout: () => READY_TIMEOUT_MS,
};

async function whenReady(container: Container, { id, isReady }: ContainerOptions): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await isReady())) {
    const { State: state } = await container.inspect();
    const isLate = performance.now() > deadline;
    if (!state.Running || isLate) {
      const said = (await container.logs({ stdout: true, stderr: true, follow: false })).toString('utf8');
      const why = isLate ? 'it does not serve' : `it ended with exit code ${state.ExitCode}`;
      throw new Error(`${id} did not start: ${why}\n${said.split('\n').slice(-15).join('\n')}`);
    }
    await delay(50);
  }
}
