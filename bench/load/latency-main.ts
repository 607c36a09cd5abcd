import { monotonicMs } from '../../runtime/clock.ts';
import { percentile } from '../../runtime/statistics.ts';
import { headersOfVisitor } from './browsers.ts';
import { serveParent } from './child.ts';
import { Connection } from './connection.ts';
import { formatRequest } from './requests.ts';

/** What to send. The requests follow each other in order, and start again after the last one. */
export interface LatencyTask {
  readonly url: string;
  /** Sent as GET: each must answer 302. */
  readonly paths?: readonly string[];
  /** Sent as `POST /urls`, which must answer 201. With paths, sent after every `readsPerWrite` paths. */
  readonly body?: string;
  readonly readsPerWrite?: number;
  /**
   * So many different visitors follow the paths in turn, each with the headers of a browser. Default: none.
   */
  readonly visitors?: number;
  readonly connections: number;
  readonly durationMs: number;
  /**
   * Requests a second of an open loop: they are due at even intervals, and a latency counts from when its
   * request was due, so that a stalled server is charged for every request that waited. Without it the loop
   * is closed: each connection sends its next request when the last one was answered.
   */
  readonly perSecond?: number;
  /**
   * Open loop only: how long the client sleeps before it looks again at what is due. By default it never
   * sleeps, because a millisecond would be most of the measured latency. It then keeps a core busy, which the
   * servers may need.
   */
  readonly restMs?: number;
  /** Open loop only: requests due in the first ms, when connections and code are cold, do not count. */
  readonly leadInMs?: number;
}

export interface LatencyResult {
  /** The number of measured answers. */
  readonly answers: number;
  /** Those of the lead-in too: what the server did for the task. */
  readonly allAnswers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of redirects alone, where the task has both. */
  readonly redirectP99Ms: number;
  readonly maxMs: number;
}

const REDIRECT = 302;
/** An open loop stops with an error when the requests of this many seconds are late. */
const MAX_BEHIND_S = 2;

interface Request {
  readonly text: string;
  readonly expect: number;
}

function requestsOf({ url, paths = [], body, readsPerWrite = 0, visitors = 0 }: LatencyTask): Request[] {
  const reads = Array.from({ length: paths.length === 0 ? 0 : Math.max(paths.length, visitors) }, (_, i) => {
    const headers = visitors === 0 ? '' : headersOfVisitor(i % visitors);
    return { text: formatRequest(url, paths[i % paths.length] ?? '/', undefined, headers), expect: REDIRECT };
  });
  if (body === undefined) return reads;
  const write = { text: formatRequest(url, '/urls', body), expect: 201 };
  if (reads.length === 0) return [write];
  return reads.flatMap((read, i) => ((i + 1) % readsPerWrite === 0 ? [read, write] : [read]));
}

async function run(task: LatencyTask): Promise<LatencyResult> {
  const connections = await Promise.all(
    Array.from({ length: task.connections }, async () => Connection.open(task.url)),
  );
  try {
    const startedMs = monotonicMs();
    const { perSecond, leadInMs = 0 } = task;
    const { all, redirects, early } = await new Promise<Latencies>((resolve, reject) => {
      (perSecond === undefined ? closedLoop : openLoop)({ task, connections, resolve, reject });
    });
    const measuredFromMs = startedMs + (perSecond === undefined ? 0 : leadInMs);
    const seconds = (monotonicMs() - measuredFromMs) / 1_000;
    return {
      answers: all.length,
      allAnswers: all.length + early,
      perSecond: all.length / seconds,
      p50Ms: percentile(all, 0.5),
      p99Ms: percentile(all, 0.99),
      redirectP99Ms: percentile(redirects, 0.99),
      maxMs: percentile(all, 1),
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** In ms, of one answer each. */
class Latencies {
  readonly all: number[] = [];
  readonly redirects: number[] = [];
  /** Answers of the lead-in, whose latency does not count. */
  early = 0;

  add({ expect }: Request, ms: number): void {
    this.all.push(ms);
    if (expect === REDIRECT) this.redirects.push(ms);
  }
}

interface Loop {
  readonly task: LatencyTask;
  readonly connections: readonly Connection[];
  readonly resolve: (latencies: Latencies) => void;
  readonly reject: (error: Error) => void;
}

function closedLoop({ task, connections, resolve, reject }: Loop): void {
  const requests = requestsOf(task);
  const latencies = new Latencies();
  const endMs = monotonicMs() + task.durationMs;
  let sent = 0;
  let busy = connections.length;
  const sendNext = (connection: Connection): void => {
    const sentMs = monotonicMs();
    if (sentMs >= endMs) {
      busy -= 1;
      if (busy === 0) resolve(latencies);
      return;
    }
    const request = requests[sent++ % requests.length];
    if (request === undefined) return reject(new Error('no requests to send'));
    connection.send(
      request.text,
      ({ status, body }) => {
        if (status !== request.expect) return reject(unexpected(status, body));
        latencies.add(request, monotonicMs() - sentMs);
        sendNext(connection);
      },
      reject,
    );
  };
  for (const connection of connections) sendNext(connection);
}

function openLoop({ task, connections, resolve, reject }: Loop): void {
  const { perSecond = 1, restMs, leadInMs = 0 } = task;
  const requests = requestsOf(task);
  const everyMs = 1_000 / perSecond;
  const total = Math.floor(task.durationMs / everyMs);
  const latencies = new Latencies();
  const free = [...connections];
  const startMs = monotonicMs() + 10;
  const measuredFromMs = startMs + leadInMs;
  let sent = 0;
  let answered = 0;
  let isOver = false;
  const fail = (error: Error): void => {
    isOver = true;
    reject(error);
  };
  const send = (connection: Connection): void => {
    const dueMs = startMs + sent * everyMs;
    const request = requests[sent++ % requests.length];
    if (request === undefined) return fail(new Error('no requests to send'));
    connection.send(
      request.text,
      ({ status, body }) => {
        if (status !== request.expect) return fail(unexpected(status, body));
        if (dueMs >= measuredFromMs) latencies.add(request, monotonicMs() - dueMs);
        else latencies.early += 1;
        free.push(connection);
        if (++answered === total) resolve(latencies);
      },
      fail,
    );
  };
  const turn = (): void => {
    if (isOver || sent >= total) return;
    const due = Math.min(total, Math.floor((monotonicMs() - startMs) / everyMs) + 1);
    if (due - sent > perSecond * MAX_BEHIND_S) {
      return fail(new Error(`the server is ${MAX_BEHIND_S} s behind at ${perSecond.toFixed(0)}/s`));
    }
    for (let waiting = due - sent; waiting > 0; waiting--) {
      const connection = free.shift();
      if (connection === undefined) break;
      send(connection);
    }
    if (restMs === undefined) setImmediate(turn);
    else setTimeout(turn, restMs);
  };
  turn();
}

function unexpected(status: number, body: string): Error {
  return new Error(`an answer has status ${status}: ${body.slice(0, 200)}`);
}

serveParent(async (task) => run(task as LatencyTask));
