import { createServer, type Server, type Socket } from 'node:net';
import { Link, type LinkFaults } from './link.ts';

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * A TCP proxy before one server, whose verbs are the faults of a network: it knows how to lie, and when to stop.
 *
 * Faults hold for all connections, open ones and new ones, until `heal()`. The two that cut are used up by one cut.
 */
export class FaultyProxy {
  readonly #server: Server;
  readonly #target: ProxyTarget;
  readonly #links = new Set<Link>();
  readonly #faults: LinkFaults = { silent: false, mute: false, delayMs: 0 };
  #accepted = 0;

  /** Listens on a loopback port, `port` or a free one. */
  static async start(target: ProxyTarget, port = 0): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    proxy.#server.once('error', reject);
    proxy.#server.listen(port, '127.0.0.1', resolve);
    await promise;
    return proxy;
  }

  private constructor(target: ProxyTarget) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** Connections accepted so far, for counting reconnects. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections open now. */
  get open(): number {
    return this.#links.size;
  }

  /** A black hole both ways: no bytes, no FIN, no RST. What is sent meanwhile arrives after `heal()`, as TCP would do. */
  silence(): void {
    this.#faults.silent = true;
  }

  /** New connections are accepted and never answered; open ones go on. */
  acceptWithoutAnswering(): void {
    this.#faults.mute = true;
  }

  /** Every piece takes this much longer, in each direction. */
  delay(ms: number): void {
    this.#faults.delayMs = ms;
  }

  /** Resets all open connections. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Lets `bytes` more bytes of some server's answers through, then cuts that connection: in the middle of a packet. */
  cutAfter(bytes: number): void {
    this.#faults.cutAfterBytes = bytes;
  }

  /** Cuts the connection that sends such a request, when its answer comes: done by the server, unknown to the client. */
  cutBeforeReplyTo(isRequest: (sent: Buffer) => boolean): void {
    this.#faults.cutBeforeReplyTo = isRequest;
  }

  /** Passes every piece that comes from the server through `mangle`. */
  mangleAnswers(mangle: (piece: Buffer) => Buffer): void {
    this.#faults.mangle = mangle;
  }

  /** No faults any more; what a black hole held is delivered. */
  heal(): void {
    this.#faults.silent = false;
    this.#faults.mute = false;
    this.#faults.delayMs = 0;
    delete this.#faults.cutAfterBytes;
    delete this.#faults.cutBeforeReplyTo;
    delete this.#faults.mangle;
    for (const link of this.#links) link.flush();
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.cut();
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const link = new Link(client, this.#target, this.#faults, () => this.#links.delete(link));
    this.#links.add(link);
  }
}

/** A request of ZooKeeper's protocol that creates a node: for `cutBeforeReplyTo`. */
export function isZooKeeperCreate(sent: Buffer): boolean {
  return zooKeeperRequestTypes(sent).includes(1);
}

/** The types of the requests in one piece; the connect request at the beginning has none and reads as nonsense. */
function zooKeeperRequestTypes(sent: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 12 <= sent.length; at += 4 + sent.readInt32BE(at)) {
    if (sent.readInt32BE(at) <= 0) break;
    types.push(sent.readInt32BE(at + 8));
  }
  return types;
}
