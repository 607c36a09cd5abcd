import { runWrk, type Requests } from '../load/wrk.ts';
import type { Arm } from '../method/measure.ts';
import { cpuMsOfEach, pin } from '../world/cpu.ts';
import type { BenchContext } from './bench.ts';

export const CONNECTIONS = 64;
const SERVER_CPU = 0;
const LOAD_CPU = 1;

/** One window of load on one server. */
export interface HttpSample {
  /** Answers below 400, per second. */
  readonly perSecond: number;
  /** CPU time of the server's own processes, in µs per answer. */
  readonly cpuUs: number;
  /** The same for other processes that take part, by part. */
  readonly others: Readonly<Record<string, number>>;
  readonly errorShare: number;
}

export interface HttpArmOptions {
  readonly context: Pick<BenchContext, 'pin' | 'signal'>;
  readonly name: string;
  readonly server: { readonly url: string; readonly pid: number };
  /** The requests of the next window. */
  readonly requests: (seconds: number) => Requests;
  readonly connections?: number;
  readonly allowErrors?: boolean;
  /** Process ids by part whose CPU time is measured too. */
  readonly others?: Readonly<Record<string, readonly number[]>>;
  /** Only the server and the load work, so each may have a CPU of its own. */
  readonly alone?: boolean;
}

/** Load by wrk on one server, with its CPU time. */
export function httpArm(options: HttpArmOptions): Arm<HttpSample> {
  const { context, name, server, others = {} } = options;
  const processes: Record<string, readonly number[]> = { ...others, server: [server.pid] };
  const pinned = context.pin && options.alone === true;
  return {
    name,
    run: async (seconds) => {
      // Before each window, because a process may have started children.
      if (pinned) pin(server.pid, SERVER_CPU);
      const before = cpuMsOfEach(processes);
      const result = await runWrk({
        url: server.url,
        connections: options.connections ?? CONNECTIONS,
        seconds,
        requests: options.requests(seconds),
        allowErrors: options.allowErrors ?? false,
        cpu: pinned ? LOAD_CPU : undefined,
        signal: context.signal,
      });
      const after = cpuMsOfEach(processes);
      const perAnswer = (part: string): number =>
        (((after[part] ?? 0) - (before[part] ?? 0)) * 1_000) / Math.max(1, result.answers);
      return {
        perSecond: result.perSecond,
        cpuUs: perAnswer('server'),
        others: Object.fromEntries(Object.keys(others).map((part) => [part, perAnswer(part)])),
        errorShare: result.errorAnswers / Math.max(1, result.answers),
      };
    },
  };
}

export const throughput = {
  quantity: 'throughput',
  of: ({ perSecond }: { readonly perSecond: number }) => perSecond,
} as const;

/**
 * How many cores the server kept busy. A server of one thread that stays well below 1 waited for the load:
 * then its rate is that of the load generator, and only its CPU per answer can be compared.
 */
export function busyShare({ perSecond, cpuUs, errorShare }: HttpSample): number {
  return ((perSecond / (1 - errorShare)) * cpuUs) / 1e6;
}

export const cpuPerAnswer = { quantity: 'cpu', of: ({ cpuUs }: HttpSample) => cpuUs } as const;
