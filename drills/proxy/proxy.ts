import { createServer, type Server, type Socket } from 'node:net';
import { Link, type Drips, type LinkFaults } from './link.ts';

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * A TCP proxy in front of one server, with a method for each fault of a network.
 *
 * A fault applies to all connections, open and new ones, until `heal()`. `cutAfter` and `cutBeforeReplyTo`
 * cut one connection and are over then.
 */
export class FaultyProxy {
  readonly #server: Server;
  readonly #target: ProxyTarget;
  readonly #links = new Set<Link>();
  readonly #faults: LinkFaults = { silent: false, mute: false, delayMs: 0 };
  #accepted = 0;

  /** Listens on the loopback address, on `port` or on a free one. */
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
    if (address === null || typeof address === 'string') throw new Error('the proxy is not listening');
    return address.port;
  }

  /** The number of connections accepted so far; it shows reconnects. */
  get accepted(): number {
    return this.#accepted;
  }

  /** The number of open connections. */
  get open(): number {
    return this.#links.size;
  }

  get isSilent(): boolean {
    return this.#faults.silent;
  }

  /** Forwards nothing in either direction: no bytes, no FIN, no RST. Held data arrives after `heal()`. */
  silence(): void {
    this.#faults.silent = true;
  }

  /** As `silence`, from such a request on, which the server does not get: work stops there, however quick. */
  silenceFrom(isRequest: (sent: Buffer) => boolean): void {
    this.#faults.silenceFrom = isRequest;
  }

  /** Accepts new connections and never answers them. Open connections still work. */
  acceptWithoutAnswering(): void {
    this.#faults.mute = true;
  }

  /** Delays every piece by `ms`, in each direction. */
  delay(ms: number): void {
    this.#faults.delayMs = ms;
  }

  /** Resets all open connections. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Forwards `bytes` more bytes of answers, then cuts that connection in the middle of a packet. */
  cutAfter(bytes: number): void {
    this.#faults.cutAfterBytes = bytes;
  }

  /**
   * Cuts the connection that sends such a request when its answer arrives.
   * The server has done it, and the client cannot know.
   */
  cutBeforeReplyTo(isRequest: (sent: Buffer) => boolean): void {
    this.#faults.cutBeforeReplyTo = isRequest;
  }

  /** Forwards answers in so small pieces, one every so many ms. */
  drip(drips: Drips): void {
    this.#faults.drips = drips;
  }

  /**
   * Calls `tell` when the answer to such a request arrives, once. That answer, and all that follows on its
   * connection, is kept back: the server has done the request, and the client is killed before it knows.
   */
  whenAnswered(isRequest: (sent: Buffer) => boolean, tell: () => void): void {
    this.#faults.whenAnswered = { isRequest, tell };
  }

  /** Replaces every piece from the server by the result of `mangle`. */
  mangleAnswers(mangle: (piece: Buffer) => Buffer): void {
    this.#faults.mangle = mangle;
  }

  /** Ends all faults and forwards the held data. */
  heal(): void {
    this.#faults.silent = false;
    this.#faults.mute = false;
    this.#faults.delayMs = 0;
    delete this.#faults.cutAfterBytes;
    delete this.#faults.cutBeforeReplyTo;
    delete this.#faults.silenceFrom;
    delete this.#faults.mangle;
    delete this.#faults.drips;
    delete this.#faults.whenAnswered;
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

/**
 * Whether the data contains a request of ZooKeeper's protocol that creates a node; for `cutBeforeReplyTo`.
 */
export function isZooKeeperCreate(sent: Buffer): boolean {
  return zooKeeperRequestTypes(sent).includes(1);
}

/** The types of the requests in one piece. Meaningless for the first request of a connection: it has none. */
function zooKeeperRequestTypes(sent: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 12 <= sent.length; at += 4 + sent.readInt32BE(at)) {
    if (sent.readInt32BE(at) <= 0) break;
    types.push(sent.readInt32BE(at + 8));
  }
  return types;
}

/** The flag before the types of parameters, and those of the first row; see `db/urls/prepared-insert`. */
const TYPES_OF_LINK = Buffer.from('010180fd00fd000c00fc00', 'hex');
/** The same of a row with an owner; see `db/own-links/prepared-owned-insert`. */
const TYPES_OF_OWNED_LINK = Buffer.concat([TYPES_OF_LINK, Buffer.from('0880', 'hex')]);
const COMMIT = Buffer.from('\x07\0\0\0\x03COMMIT');

/**
 * Whether the server binds links when it does `sent`: an INSERT as text, the execution of a prepared one, or
 * the COMMIT of prepared ones that have an owner.
 */
export function isLinkInsert(sent: Buffer): boolean {
  const command = sent[4];
  if (command === 0x03)
    return sent.toString('latin1', 5, 24) === 'INSERT INTO urls (s' || sent.equals(COMMIT);
  return command === 0x17 && sent.includes(TYPES_OF_LINK) && !isOwnedInsert(sent);
}

/** Whether `sent` has the prepared INSERTs of links with an owner, which need a COMMIT. */
export function isOwnedInsert(sent: Buffer): boolean {
  return sent[4] === 0x17 && sent.includes(TYPES_OF_OWNED_LINK);
}
