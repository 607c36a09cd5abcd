import { reservePort, type ReservedPort } from '../../scripts/servers/ports.ts';

/** Ports of processes that the drill ended, kept from other clusters until the processes start again. */
export class HeldPorts {
  readonly #held: ReservedPort[] = [];

  async hold(ports: readonly number[]): Promise<void> {
    // If another process has taken a port already, the start of ours will report it.
    const results = await Promise.allSettled(ports.map(async (port) => reservePort(port, 1)));
    this.#held.push(...results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  }

  release(): void {
    for (const port of this.#held.splice(0)) port.release();
  }
}
