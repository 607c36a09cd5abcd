import type { Arm } from './measure.ts';

/** The usual 20 rounds are those of three servers. */
const ROUNDS_OF_A_SERVER = 7;

export interface RenewedArmOptions<Server, Sample> {
  readonly name: string;
  /** Starts one of several servers of the same program. */
  readonly start: () => Promise<Server>;
  readonly armOf: (server: Server) => Arm<Sample>;
}

/**
 * An arm that stops its server and starts another one, every few rounds. Two processes of one program differ
 * by up to 5 % for as long as they live, by what V8 has compiled and where things lie in memory. Arms that
 * should differ by less than that need several.
 */
export class RenewedArm<Server extends AsyncDisposable, Sample> implements Arm<Sample>, AsyncDisposable {
  readonly name: string;
  readonly #options: RenewedArmOptions<Server, Sample>;
  #current: { readonly server: Server; readonly arm: Arm<Sample>; readonly part: number } | undefined;

  constructor(options: RenewedArmOptions<Server, Sample>) {
    this.name = options.name;
    this.#options = options;
  }

  readonly run = async (seconds: number, round: number): Promise<Sample> => {
    const part = Math.max(0, Math.floor(round / ROUNDS_OF_A_SERVER));
    const arm = this.#current?.part === part ? this.#current.arm : await this.#renew(part, seconds);
    return arm.run(seconds, round);
  };

  /** A server that has just started compiles its code: it has a window that does not count. */
  async #renew(part: number, seconds: number): Promise<Arm<Sample>> {
    await this[Symbol.asyncDispose]();
    const server = await this.#options.start();
    const arm = this.#options.armOf(server);
    this.#current = { server, arm, part };
    await arm.run(seconds, -1);
    return arm;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { server } = this.#current ?? {};
    this.#current = undefined;
    await server?.[Symbol.asyncDispose]();
  }
}
