import { existsSync } from 'node:fs';
import { tryCommand, type Docker } from '../../scripts/containers/docker.ts';
import { until } from '../until.ts';

/** Docker creates this bridge for a swarm and does not remove it. */
export const GATEWAY_NETWORK = 'docker_gwbridge';
const GATEWAY_LINK = `/sys/class/net/${GATEWAY_NETWORK}`;
const NAMESPACE = 'com.docker.stack.namespace';
const REMOVAL_MS = 120_000;

/** A swarm whose only node is the engine, with the node labels that the stack needs. */
export class OneNodeSwarm {
  readonly #docker: Docker;
  readonly #labels: readonly string[];
  readonly #isOurs: boolean;
  readonly #hadGateway: boolean;

  /** Uses an engine that is already in a swarm as it is. */
  static async open(docker: Docker, labels: readonly string[]): Promise<OneNodeSwarm> {
    const hadGateway =
      existsSync(GATEWAY_LINK) || (await docker.try(['network', 'inspect', GATEWAY_NETWORK])).exitCode === 0;
    const state = (await docker.run(['info', '--format', '{{.Swarm.LocalNodeState}}'])).trim();
    const isOurs = state === 'inactive';
    if (isOurs)
      await docker.run(['swarm', 'init', '--advertise-addr=127.0.0.1', '--listen-addr=127.0.0.1:2377']);
    const swarm = new OneNodeSwarm(docker, labels, isOurs, hadGateway);
    try {
      await swarm.#updateNode(labels.map((label) => `--label-add=${label}=true`));
    } catch (error) {
      await swarm.close();
      throw error;
    }
    return swarm;
  }

  private constructor(docker: Docker, labels: readonly string[], isOurs: boolean, hadGateway: boolean) {
    this.#docker = docker;
    this.#labels = labels;
    this.#isOurs = isOurs;
    this.#hadGateway = hadGateway;
  }

  /**
   * Removes a stack and its data. The command returns before the containers have ended, so this waits for
   * them.
   */
  async removeStack(name: string): Promise<void> {
    const filter = `--filter=label=${NAMESPACE}=${name}`;
    await this.#docker.try(['stack', 'rm', name]);
    for (const kind of [
      ['ps', '--all'],
      ['network', 'ls'],
    ])
      await until(
        `the stack's part of docker ${kind.join(' ')} to be gone`,
        async () => (await this.#docker.lines([...kind, '--quiet', filter])).length === 0,
        { timeoutMs: REMOVAL_MS, everyMs: 500 },
      );
    const volumes = await this.#docker.lines(['volume', 'ls', '--quiet', filter]);
    if (volumes.length > 0) await this.#docker.run(['volume', 'rm', ...volumes]);
  }

  async close(): Promise<void> {
    if (!this.#isOurs) return this.#updateNode(this.#labels.map((label) => `--label-rm=${label}`));
    await this.#docker.run(['swarm', 'leave', '--force']);
    if (this.#hadGateway) return;
    await until('the bridge of the swarm to be gone', async () => this.#removeGateway(), {
      timeoutMs: REMOVAL_MS,
      everyMs: 500,
    });
    // The engine removes the network and may leave the bridge.
    if (existsSync(GATEWAY_LINK)) await tryCommand('ip', ['link', 'delete', GATEWAY_NETWORK]);
  }

  /** An engine that leaves a swarm may forget ends of the bridge. They are taken off first. */
  async #removeGateway(): Promise<boolean> {
    const ends = '{{range .Containers}}{{println .Name}}{{end}}';
    const found = await this.#docker.try(['network', 'inspect', GATEWAY_NETWORK, '--format', ends]);
    if (found.exitCode !== 0) return found.stderr.includes('No such network');
    for (const end of found.stdout.split('\n').filter((name) => name !== ''))
      await this.#docker.try(['network', 'disconnect', '--force', GATEWAY_NETWORK, end]);
    await this.#docker.try(['network', 'rm', GATEWAY_NETWORK]);
    return false;
  }

  async #updateNode(changes: readonly string[]): Promise<void> {
    const id = (await this.#docker.run(['info', '--format', '{{.Swarm.NodeID}}'])).trim();
    await this.#docker.run(['node', 'update', ...changes, id]);
  }
}
