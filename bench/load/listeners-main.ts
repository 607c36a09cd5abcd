import { request, type ClientRequest } from 'node:http';
import { monotonicMs } from '../../runtime/clock.ts';
import { serveParent } from './child.ts';

/** Clients that watch the clicks of one link. */
export interface ListenTask {
  readonly url: string;
  readonly path: string;
  readonly apiKey: string;
  readonly count: number;
}

export interface ListenResult {
  /** Clicks that a client was told of, as events or as a number: the fewest and the most of all clients. */
  readonly toldLeast: number;
  readonly toldMost: number;
  /** The most events that any client got within a second. */
  readonly eventsPerSecond: number;
  /** Streams that have ended. */
  readonly ended: number;
}

interface Listener {
  readonly outgoing: ClientRequest;
  /** When events arrived, within the last second. */
  recent: { atMs: number; events: number }[];
  rest: string;
  told: number;
  eventsPerSecond: number;
  hasEnded: boolean;
}

const AT_ONCE = 50;
const SECOND_MS = 1_000;

let listeners: Listener[] = [];

async function open({ url, path, apiKey, count }: ListenTask): Promise<object> {
  const headers = { authorization: `Bearer ${apiKey}` };
  while (listeners.length < count)
    listeners.push(
      ...(await Promise.all(Array.from({ length: AT_ONCE }, async () => listen(`${url}${path}`, headers)))),
    );
  return {};
}

async function listen(url: string, headers: Readonly<Record<string, string>>): Promise<Listener> {
  const { promise, resolve, reject } = Promise.withResolvers<Listener>();
  const outgoing = request(url, { agent: false, headers });
  const listener: Listener = { outgoing, recent: [], rest: '', told: 0, eventsPerSecond: 0, hasEnded: false };
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    if (response.statusCode !== 200) reject(new Error(`a listener was answered ${response.statusCode}`));
    response.setEncoding('latin1');
    response.on('data', (text: string) => receive(listener, text));
    response.on('close', () => (listener.hasEnded = true));
    resolve(listener);
  });
  outgoing.end();
  return promise;
}

function receive(listener: Listener, text: string): void {
  const blocks = (listener.rest + text).split('\n\n');
  listener.rest = blocks.pop() ?? '';
  let events = 0;
  for (const block of blocks) {
    if (!block.startsWith('event: ')) continue;
    events += 1;
    listener.told += block.startsWith('event: click\n') ? 1 : Number(/"clicks":(\d+)/.exec(block)?.[1] ?? 0);
  }
  if (events === 0) return;
  const nowMs = monotonicMs();
  listener.recent = listener.recent.filter(({ atMs }) => nowMs - atMs < SECOND_MS);
  listener.recent.push({ atMs: nowMs, events });
  const within = listener.recent.reduce((sum, recent) => sum + recent.events, 0);
  listener.eventsPerSecond = Math.max(listener.eventsPerSecond, within);
}

function close(): ListenResult {
  const closed = listeners;
  listeners = [];
  const ended = closed.filter(({ hasEnded }) => hasEnded).length;
  for (const { outgoing } of closed) outgoing.destroy();
  const told = closed.map((listener) => listener.told);
  return {
    toldLeast: Math.min(...told),
    toldMost: Math.max(...told),
    eventsPerSecond: Math.max(...closed.map((listener) => listener.eventsPerSecond)),
    ended,
  };
}

serveParent(async (task) => (task === 'close' ? close() : open(task as ListenTask)));
