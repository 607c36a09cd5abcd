import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';

export interface SseEvent {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly data: Record<string, unknown> | undefined;
}

/** The events of a text; comments and fields of the connection are left out. */
export function parseEvents(text: string): SseEvent[] {
  return text
    .split('\n\n')
    .map((block) => {
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
      const data = fields.get('data');
      return {
        event: fields.get('event'),
        id: fields.get('id'),
        data: data === undefined ? undefined : (JSON.parse(data) as Record<string, unknown>),
      };
    })
    .filter(({ event }) => event !== undefined);
}

/** How many clicks the events tell of. */
export function sumOf(events: readonly SseEvent[]): { humans: number; bots: number } {
  const sum = { humans: 0, bots: 0 };
  for (const { event, data } of events) {
    if (event === 'click') sum[data?.['is_bot'] === true ? 'bots' : 'humans'] += 1;
    if (event !== 'more') continue;
    sum.humans += Number(data?.['humans']);
    sum.bots += Number(data?.['bots']);
  }
  return sum;
}

/** One stream of events, as a browser receives it. */
export class SseClient {
  readonly response: IncomingMessage;
  text = '';
  hasEnded = false;

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (piece: string) => (this.text += piece));
    response.on('error', () => undefined);
    response.on('close', () => (this.hasEnded = true));
  }

  static async open(url: string, headers: Readonly<Record<string, string>>): Promise<SseClient> {
    const outgoing = request(url, { headers, agent: false });
    outgoing.on('error', () => undefined);
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return new SseClient(response);
  }

  get events(): SseEvent[] {
    return parseEvents(this.#whole);
  }

  /** Without an event of which the end has not arrived. */
  get #whole(): string {
    return this.text.slice(0, this.text.lastIndexOf('\n\n') + 2);
  }

  /** What a browser sends when it comes again. */
  get lastId(): string | undefined {
    return [...this.#whole.matchAll(/^id: (.*)$/gm)].at(-1)?.[1];
  }

  /** Closes the connection, as a browser that leaves the page. */
  readonly close = (): void => {
    this.response.destroy();
  };
}
