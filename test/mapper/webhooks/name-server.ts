import ipaddr from 'ipaddr.js';
import { createSocket, type Socket } from 'node:dgram';

/** Types of records. */
const [IPV4, IPV6] = [1, 28];

/** A name server that knows what a test tells it. */
export class NameServer implements AsyncDisposable {
  readonly #socket: Socket = createSocket('udp4');
  /** By name: the addresses of each question, one list after another; the last one stays. */
  readonly #names = new Map<string, readonly (readonly string[])[]>();
  /** How often each name was asked for. */
  readonly asked = new Map<string, number>();

  private constructor() {
    this.#socket.on('message', (question, { port, address }) => {
      const answer = this.#answer(question);
      if (answer !== undefined) this.#socket.send(answer, port, address);
    });
  }

  static async open(): Promise<NameServer> {
    const server = new NameServer();
    await new Promise<void>((resolve) => server.#socket.bind(0, '127.0.0.1', resolve));
    return server;
  }

  /** As settings name it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  /** @param answers the addresses that each question gets. An empty list of answers: it never answers */
  set(name: string, ...answers: (readonly string[])[]): void {
    this.#names.set(name, answers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  /** RFC 1035 and 3596: the question again, and a record for each address. */
  #answer(question: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.subarray(at + 1, at + 1 + length).toString('latin1'));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const type = question.readUInt16BE(at + 1);
    const answers = this.#names.get(name);
    if (answers?.length === 0) return undefined;
    const count = this.asked.get(name) ?? 0;
    if (type === IPV4) this.asked.set(name, count + 1);
    const found = (answers?.[Math.min(count, answers.length - 1)] ?? []).map((text) => ipaddr.parse(text));
    const records = found
      .filter((address) => (address.kind() === 'ipv4' ? IPV4 : IPV6) === type)
      .map((address) => address.toByteArray())
      .map((bytes) => Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length, ...bytes]));
    const head = Buffer.from(question.subarray(0, 12));
    head.writeUInt16BE(answers === undefined ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    return Buffer.concat([head, question.subarray(12, at + 5), ...records]);
  }
}
