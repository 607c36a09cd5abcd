import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { monotonicMs } from '../../runtime/clock.ts';
import { parseJson } from '../../runtime/json.ts';
import { pause } from '../../runtime/retry.ts';
import { serveParent } from './child.ts';

/** Pictures to post, or one to read, over so many connections, until `count` are done or the time is over. */
export interface ImageTask {
  readonly url: string;
  readonly connections: number;
  /** A PNG that is posted. */
  readonly post?: {
    readonly file: string;
    /** Each is deleted as soon as it is answered. */
    readonly deletes: boolean;
  };
  /** A path that is read. */
  readonly read?: string;
  /** Default: no end. */
  readonly count?: number;
  /** Default: no end. */
  readonly durationMs?: number;
  /** No more than so many pictures are begun in a second, at even intervals. Default: as many as can be. */
  readonly perSecond?: number;
}

export interface ImageTaskResult {
  readonly done: number;
  readonly bytes: number;
  readonly perSecond: number;
  /** Answers with 503, after which the client waits a moment. */
  readonly refused: number;
  /** The last path that was posted and not deleted. */
  readonly lastPath: string;
}

interface Answer {
  readonly status: number;
  readonly bytes: number;
  /** Of answers that are not large. */
  readonly text: string;
}

const REFUSED_REST_MS = 100;
/** Of each connection, one after the other: then the mapper does not only have much to do. */
const MAX_REFUSALS = 100;
const MAX_TEXT = 4_096;

async function run(task: ImageTask): Promise<ImageTaskResult> {
  const { url, connections, post, read = '/', count = Infinity, durationMs = Infinity } = task;
  const everyMs = 1_000 / (task.perSecond ?? Infinity);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const picture = post && readFileSync(post.file);
  const sum = { begun: 0, done: 0, bytes: 0, refused: 0, lastPath: '' };
  const startedMs = monotonicMs();
  const work = async (): Promise<void> => {
    let refusals = 0;
    while (sum.begun < count && monotonicMs() - startedMs < durationMs) {
      const earlyMs = startedMs + sum.begun * everyMs - monotonicMs();
      sum.begun += 1;
      if (earlyMs > 0) await pause(earlyMs);
      const answer = picture === undefined ? await ask(agent, `${url}${read}`) : await postOne(picture);
      if (answer === undefined && ++refusals >= MAX_REFUSALS)
        throw new Error(`${refusals} pictures in a row were refused with 503`);
      if (answer === undefined) continue;
      refusals = 0;
      sum.done += 1;
      sum.bytes += answer.bytes;
    }
  };
  const postOne = async (bytes: Buffer): Promise<Answer | undefined> => {
    const headers = { 'content-type': 'image/png', 'content-length': bytes.length };
    const answer = await ask(agent, `${url}/images`, { method: 'POST', headers }, bytes);
    if (answer.status === 503) {
      sum.refused += 1;
      sum.begun -= 1;
      await pause(REFUSED_REST_MS);
      return undefined;
    }
    expectStatus(answer, 201);
    const made = parseJson(answer.text) as { unique_id: string; delete_token: string };
    const path = `/images/${made.unique_id}`;
    if (post?.deletes !== true) sum.lastPath = path;
    else {
      const token = { 'x-delete-token': made.delete_token };
      expectStatus(await ask(agent, `${url}${path}`, { method: 'DELETE', headers: token }), 204);
    }
    return { ...answer, bytes: bytes.length };
  };
  await Promise.all(Array.from({ length: connections }, work));
  agent.destroy();
  const seconds = (monotonicMs() - startedMs) / 1_000;
  const { done, bytes, refused, lastPath } = sum;
  return { done, bytes, refused, lastPath, perSecond: done / seconds };
}

function expectStatus({ status, text }: Answer, expected: number): void {
  if (status !== expected) throw new Error(`an answer has status ${status}: ${text.slice(0, 200)}`);
}

async function ask(
  agent: Agent,
  url: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string | number> } = {},
  body?: Buffer,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(url, { method, agent, headers });
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    let [bytes, text] = [0, ''];
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (text.length < MAX_TEXT) text += chunk.toString('latin1', 0, MAX_TEXT);
    });
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes, text }));
  });
  outgoing.end(body);
  const answer = await promise;
  if (method === 'GET') expectStatus(answer, 200);
  return answer;
}

serveParent(async (task) => run(task as ImageTask));
