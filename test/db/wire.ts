import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy in front of a real server, for tests of what a store client does when the wire misbehaves. */
export interface Wire extends AsyncDisposable {
  readonly port: number;
  /** Answers no longer pass, but are kept; requests still do. */
  holdAnswers(): void;
  /** What was held passes now, and everything after it. */
  releaseAnswers(): void;
  /** Requests no longer pass, but are kept: the server never sees them. */
  holdRequests(): void;
  /** What was held is thrown away. Requests and answers pass again. */
  dropHeld(): void;
  /** Cuts every connection. */
  cut(): void;
  /** Cuts every connection as soon as the server answers anything: the request was executed, the answer is lost. */
  cutAtNextAnswer(): void;
  /** The next bytes a client sends end its connection before they are passed on. */
  cutAtNextRequest(): void;
  /** Connections accepted so far. */
  readonly accepted: number;
}

class Proxy implements Wire {
  port = 0;
  accepted = 0;
  readonly #server = createServer((client) => this.#join(client));
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];
  #holdingAnswers = false;
  #holdingRequests = false;
  #cutAtAnswer = false;
  #cutAtRequest = false;
  readonly #targetPort: number;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
  }

  holdAnswers(): void {
    this.#holdingAnswers = true;
  }

  releaseAnswers(): void {
    this.#holdingAnswers = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  holdRequests(): void {
    this.#holdingRequests = true;
  }

  dropHeld(): void {
    this.#held.length = 0;
    this.#holdingAnswers = false;
    this.#holdingRequests = false;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  cutAtNextAnswer(): void {
    this.#cutAtAnswer = true;
  }

  cutAtNextRequest(): void {
    this.#cutAtRequest = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    this.accepted += 1;
    const server = connect(this.#targetPort, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (data) => {
      if (this.#cutAtRequest) {
        this.#cutAtRequest = false;
        this.cut();
      } else if (this.#holdingRequests) this.#held.push(() => server.write(data));
      else server.write(data);
    });
    server.on('data', (data) => {
      if (this.#cutAtAnswer) {
        this.#cutAtAnswer = false;
        this.cut();
      } else if (this.#holdingAnswers) this.#held.push(() => client.write(data));
      else client.write(data);
    });
  }
}

/** Listens on loopback, on a free port unless one is given, and passes everything on to `targetPort`. */
export async function startWire(targetPort: number, port = 0): Promise<Wire> {
  const proxy = new Proxy(targetPort);
  await proxy.listen(port);
  return proxy;
}

/** `url` with another port: the way through the wire. */
export function through(wire: Wire, url: string): string {
  const parsed = new URL(url);
  parsed.port = String(wire.port);
  return parsed.href;
}
