import { Agent, request } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** An HTTP client with a fixed number of keep-alive connections, each with one request at a time. */
export class Client {
  readonly #agent: Agent;
  readonly #connections: number;

  constructor(connections: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#connections = connections;
  }

  async shorten(mapper: string, longUrl: string): Promise<HttpAnswer> {
    return this.#ask(`${mapper}/urls`, JSON.stringify({ long_url: longUrl }));
  }

  async follow(mapper: string, key: string): Promise<HttpAnswer> {
    return this.#ask(`${mapper}/${key}`);
  }

  /**
   * Runs `work` for every item, on all connections at the same time.
   * @returns the results in the order of the items
   */
  async forEach<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
    const results: R[] = [];
    const rest = items.entries();
    const worker = async (): Promise<void> => {
      for (const [index, item] of rest) results[index] = await work(item);
    };
    await Promise.all(Array.from({ length: this.#connections }, worker));
    return results;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask(url: string, json?: string): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const options =
      json === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' } };
    const ask = request(url, { agent: this.#agent, timeout: 20_000, ...options }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (body += chunk));
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, location: answer.headers.location, body }),
      );
      answer.once('error', reject);
    });
    ask.once('timeout', () => ask.destroy(new Error(`no answer from ${url} within 20 s`)));
    ask.once('error', reject);
    ask.end(json);
    return promise;
  }
}
