import { Agent, request } from 'node:http';
import { monotonicMs } from '../../runtime/clock.ts';
import { serveParent } from './child.ts';
import { SHORTEN_BODY } from './requests.ts';

/** Requests for many links, one after the other on each connection. */
export interface BulkTask {
  readonly url: string;
  readonly apiKey: string;
  /** Of one request. */
  readonly items: number;
  readonly connections: number;
  readonly durationMs: number;
}

export interface BulkResult {
  readonly links: number;
  /** Items that were answered with a problem. */
  readonly problems: number;
  readonly perSecond: number;
}

async function run({ url, apiKey, items, connections, durationMs }: BulkTask): Promise<BulkResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const body = Buffer.from(`${SHORTEN_BODY}\n`.repeat(items));
  const headers = {
    authorization: `Bearer ${apiKey}`,
    'content-type': 'application/x-ndjson',
    'content-length': String(body.length),
  };
  const sum = { lines: 0, problems: 0 };
  const startedMs = monotonicMs();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (monotonicMs() - startedMs < durationMs)
        await send(`${url}/urls/bulk`, { agent, headers, body, sum });
    }),
  );
  const seconds = (monotonicMs() - startedMs) / 1_000;
  agent.destroy();
  const links = sum.lines - sum.problems;
  return { links, problems: sum.problems, perSecond: links / seconds };
}

interface Sending {
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly sum: { lines: number; problems: number };
}

/** Counts the lines of the answer, and does not parse them: the client must not be slower than the server. */
async function send(url: string, { agent, headers, body, sum }: Sending): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const outgoing = request(url, { method: 'POST', agent, headers });
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    if (response.statusCode !== 200) reject(new Error(`a bulk was answered ${response.statusCode}`));
    response.on('data', (chunk: Buffer) => {
      sum.lines += countOf(chunk, '\n');
      sum.problems += countOf(chunk, '"problem":');
    });
    response.on('error', reject);
    response.on('end', resolve);
  });
  outgoing.end(body);
  return promise;
}

function countOf(chunk: Buffer, text: string): number {
  let count = 0;
  for (let at = chunk.indexOf(text); at >= 0; at = chunk.indexOf(text, at + 1)) count += 1;
  return count;
}

serveParent(async (task) => run(task as BulkTask));
