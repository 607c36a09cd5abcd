import { createConnection, type Socket } from 'node:net';
import { monotonicMs } from '../../runtime/clock.ts';
import { percentile } from '../../runtime/statistics.ts';
import { headersOfVisitor } from './browsers.ts';
import { serveParent } from './child.ts';
import { formatRequest } from './requests.ts';

/** GETs in an open loop, in order, again and again. Each must be answered with 302 and no body. */
export interface PacedTask {
  readonly url: string;
  readonly paths: readonly string[];
  /** So many different visitors follow the paths in turn, each with the headers of a browser. */
  readonly visitors: number;
  readonly connections: number;
  readonly durationMs: number;
  /** They are due at even intervals, and a latency counts from then. */
  readonly perSecond: number;
  /** Requests due in the first ms, when connections and code are cold, do not count. */
  readonly leadInMs: number;
}

export interface PacedResult {
  /** Those of the lead-in too. */
  readonly allAnswers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /**
   * How late the client itself was with a request, from when it was due until it was written; if no
   * connection was free, until the client saw so. A latency contains it: where it is a large part, the
   * client is measured.
   */
  readonly lateP99Ms: number;
}

/** An open loop stops with an error when the requests of this many seconds are late. */
const MAX_BEHIND_S = 2;
const MAX_ANSWER_BYTES = 4_096;
/** A client that never rests would need one of two cores. */
const REST_MS = 0.1;
/** Nobody changes it: to wait for it is to rest. */
const resting = new Int32Array(new SharedArrayBuffer(4));
const LINE_END = '\r\n';

/** All requests of a task in one buffer: to write them again and again makes no garbage. */
class RequestTexts {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #starts: number[] = [0];

  constructor({ url, paths, visitors }: PacedTask) {
    this.count = Math.max(paths.length, visitors);
    const texts = Array.from({ length: this.count }, (_, i) =>
      formatRequest(url, paths[i % paths.length] ?? '/', undefined, headersOfVisitor(i % visitors)),
    );
    let end = 0;
    for (const text of texts) this.#starts.push((end += text.length));
    this.#bytes = Buffer.from(texts.join(''), 'latin1');
  }

  /** Of the n-th request. */
  of(n: number): Buffer {
    const at = n % this.count;
    return this.#bytes.subarray(this.#starts[at], this.#starts[at + 1]);
  }
}

/** They stay: to make those of 100,000 visitors leaves garbage, which would be collected during the run. */
const prepared = new Map<string, RequestTexts>();

function textsOf(task: PacedTask): RequestTexts {
  const id = [task.url, task.visitors, task.paths.length].join(' ');
  const texts = prepared.get(id) ?? new RequestTexts(task);
  prepared.set(id, texts);
  return texts;
}

/** A keep-alive connection with at most one request in flight. */
class PacedConnection {
  readonly #socket: Socket;
  #received = '';
  /** Which request is in flight. */
  sent = -1;

  constructor(url: string, onAnswer: (one: PacedConnection) => void, onFailure: (error: Error) => void) {
    const { hostname, port } = new URL(url);
    const buffer = Buffer.alloc(MAX_ANSWER_BYTES);
    this.#socket = createConnection({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          const text = this.#received + buffer.toString('latin1', 0, bytes);
          const isWhole = text.endsWith(LINE_END + LINE_END);
          this.#received = isWhole ? '' : text;
          if (text.startsWith('HTTP/1.1 302 ') && isWhole) onAnswer(this);
          else if (text.length >= 12 && !text.startsWith('302', 9)) onFailure(unexpected(text));
          else if (text.length > MAX_ANSWER_BYTES) onFailure(unexpected(text));
          return true;
        },
      },
    });
    this.#socket.on('error', onFailure);
    this.#socket.on('close', () => onFailure(new Error('the server closed the connection')));
  }

  async opened(): Promise<void> {
    if (this.#socket.connecting)
      await new Promise<void>((resolve) => {
        this.#socket.once('connect', resolve);
      });
  }

  send(n: number, request: Buffer): void {
    this.sent = n;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }
}

function unexpected(text: string): Error {
  return new Error(`an answer is none of 302 without a body: ${text.slice(0, 200)}`);
}

async function run(task: PacedTask): Promise<PacedResult> {
  const { perSecond, connections: count, leadInMs } = task;
  const texts = textsOf(task);
  const everyMs = 1_000 / perSecond;
  const total = Math.floor(task.durationMs / everyMs);
  const [took, late] = [new Float64Array(total), new Float64Array(total)];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let [startMs, noticed, sent, answered] = [Infinity, 0, 0, 0];
  const sinceDue = (n: number, nowMs: number): number => nowMs - startMs - n * everyMs;

  const sendDue = (nowMs: number): void => {
    const due = Math.min(total, Math.floor((nowMs - startMs) / everyMs) + 1);
    while (sent < due) {
      const connection = free.shift();
      if (connection === undefined) break;
      connection.send(sent, texts.of(sent));
      if (sent >= noticed) late[sent] = sinceDue(sent, monotonicMs());
      sent += 1;
    }
    for (noticed = Math.max(noticed, sent); noticed < due; noticed += 1)
      late[noticed] = sinceDue(noticed, nowMs);
    if (due - sent > perSecond * MAX_BEHIND_S)
      reject(new Error(`the server is ${MAX_BEHIND_S} s behind at ${perSecond.toFixed(0)}/s`));
  };
  const onAnswer = (connection: PacedConnection): void => {
    const nowMs = monotonicMs();
    took[connection.sent] = sinceDue(connection.sent, nowMs);
    free.push(connection);
    if (++answered === total) resolve();
    // What is due is sent between answers too: a timer alone would be a millisecond late.
    else sendDue(nowMs);
  };

  const connections = Array.from({ length: count }, () => new PacedConnection(task.url, onAnswer, reject));
  const free = [...connections];
  try {
    await Promise.race([promise, Promise.all(connections.map(async (one) => one.opened()))]);
    startMs = monotonicMs() + 10;
    await Promise.all([promise, sendInTime(sendDue, promise)]);
  } finally {
    for (const connection of connections) connection.close();
  }
  const first = Math.ceil(leadInMs / everyMs);
  return {
    allAnswers: total,
    p50Ms: percentile(took.subarray(first), 0.5),
    p99Ms: percentile(took.subarray(first), 0.99),
    lateP99Ms: percentile(late.subarray(first), 0.99),
  };
}

/**
 * Calls `sendDue` until `over`, with rests that are shorter than those of timers, which are whole
 * milliseconds. Between two rests, what has come is read.
 */
async function sendInTime(sendDue: (nowMs: number) => void, over: Promise<void>): Promise<void> {
  const run = { isOver: false };
  const end = (): void => {
    run.isOver = true;
  };
  over.then(end, end);
  while (!run.isOver) {
    sendDue(monotonicMs());
    Atomics.wait(resting, 0, 0, REST_MS);
    await new Promise(setImmediate);
  }
}

serveParent(async (task) => run(task as PacedTask));
