import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KeymillError, messageOf } from '../../runtime/errors.ts';

const SCRIPT = join(import.meta.dirname, 'wrk.lua');
/** How long wrk may take beyond the seconds of load. */
const GRACE_MS = 20_000;

/** Keys in a file, without separators. */
export interface KeyFile {
  readonly path: string;
  readonly keyLength: number;
  readonly count: number;
}

/** The requests to send: GETs of a range of a file of keys, links to make, or a picture to post. */
export type Requests =
  | {
      readonly kind: 'keys';
      readonly file: KeyFile;
      /** Index of the first key. Beyond the end of the file it starts again at its beginning. */
      readonly offset: number;
      /** How many keys are read. They are repeated when they run out. */
      readonly count: number;
    }
  | {
      readonly kind: 'shorten';
      /** A file of API keys, one a line: the requests have them in turn. */
      readonly keyFile?: string;
      /** So many clients behind a proxy, in turn. Without it, no request has an `X-Forwarded-For`. */
      readonly clients?: number;
    }
  | {
      readonly kind: 'picture';
      /** The file with its bytes, a PNG. */
      readonly file: string;
      /** Behind a proxy: that many, one after the other. */
      readonly clients: number;
    };

export interface WrkOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly requests: Requests;
  /** Whether answers of 4xx and 5xx are allowed; they are counted apart. */
  readonly allowErrors?: boolean;
  /** Runs wrk on this CPU only. */
  readonly cpu?: number | undefined;
  readonly signal: AbortSignal;
}

export interface WrkResult {
  /** Answers below 400, per second. */
  readonly perSecond: number;
  readonly answers: number;
  readonly errorAnswers: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Closed-loop load by wrk: one thread, keep-alive, no pipelining.
 * @throws KeymillError on lost connections, on timeouts, and on error answers unless they are allowed
 */
export async function runWrk(options: WrkOptions): Promise<WrkResult> {
  const { url, connections, seconds, signal } = options;
  const wrk = [
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    SCRIPT,
    url,
    '--',
  ];
  const command = [...wrk, ...argumentsOf(options.requests)];
  if (options.cpu !== undefined) command.unshift('taskset', '-c', String(options.cpu));
  const [file = '', ...args] = command;
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)(file, args, { signal, timeout: seconds * 1_000 + GRACE_MS }));
  } catch (error) {
    signal.throwIfAborted();
    throw new KeymillError('BENCH_FAILED', `wrk failed: ${messageOf(error)}`, { cause: error });
  }
  const result = parseWrk(stdout);
  if (result.otherErrors > 0)
    throw new KeymillError('BENCH_FAILED', `${result.otherErrors} connections failed:\n${stdout}`);
  if (result.errorAnswers > 0 && options.allowErrors !== true) {
    throw new KeymillError('BENCH_FAILED', `${result.errorAnswers} answers were errors:\n${stdout}`);
  }
  return result;
}

function argumentsOf(requests: Requests): string[] {
  if (requests.kind === 'shorten') {
    const label = Math.random().toString(36).slice(2, 8).padEnd(6, '0');
    const { clients = 0, keyFile } = requests;
    return ['shorten', label, String(clients), ...(keyFile === undefined ? [] : [keyFile])];
  }
  if (requests.kind === 'picture') return ['picture', requests.file, String(requests.clients)];
  const { file, count } = requests;
  const offset = requests.offset % Math.max(1, file.count - count + 1);
  return ['keys', file.path, String(file.keyLength), String(offset), String(count)];
}

/** Reads the line that wrk.lua prints. @throws KeymillError when there is none */
export function parseWrk(stdout: string): WrkResult & { readonly otherErrors: number } {
  const match = /^KEYMILL (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout);
  if (match === null) throw new KeymillError('BENCH_FAILED', `wrk printed no result:\n${stdout}`);
  const [requests = 0, micros = 0, errorAnswers = 0, otherErrors = 0, p50 = 0, p99 = 0] = match
    .slice(1)
    .map(Number);
  const seconds = micros / 1e6;
  return {
    perSecond: (requests - errorAnswers) / seconds,
    answers: requests,
    errorAnswers,
    otherErrors,
    seconds,
    p50Ms: p50 / 1_000,
    p99Ms: p99 / 1_000,
  };
}
