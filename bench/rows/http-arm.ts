import { runWrk, type Requests } from '../load/wrk.ts';
import type { Arm } from '../method/measure.ts';
import type { BenchContext } from './bench.ts';
import { cpuMsOf, pin } from '../world/cpu.ts';

export const CONNECTIONS = 64;
const SERVER_CPU = 0;
const LOAD_CPU = 1;

/** One window of load on one server. */
export interface HttpSample {
  /** Answers below 400, per second. */
  readonly perSecond: number;
  /** CPU time of the server's own processes, in µs per answer. */
  readonly cpuUs: number;
  /** The same of others that work for it, by part. */
  readonly others: Readonly<Record<string, number>>;
  readonly errorShare: number;
}

export interface HttpArmOptions {
  readonly context: Pick<BenchContext, 'pin' | 'signal'>;
  readonly name: string;
  readonly server: { readonly url: string; readonly pid: number };
  /** What the next window asks for. */
  readonly requests: (seconds: number) => Requests;
  readonly connections?: number;
  readonly allowErrors?: boolean;
  /** Whose CPU time is accounted for besides the server's. */
  readonly others?: Readonly<Record<string, readonly number[]>>;
  /** Nothing but server and load work: they may have a CPU each. */
  readonly alone?: boolean;
}

/** Load by wrk on one server, its CPU time accounted for. */
export function httpArm(options: HttpArmOptions): Arm<HttpSample> {
  const { context, name, server, others = {} } = options;
  const pinned = context.pin && options.alone === true;
  return {
    name,
    run: async (seconds) => {
      // Again before each window: a process may have grown children.
      if (pinned) pin(server.pid, SERVER_CPU);
      const before = accountOf(server.pid, others);
      const result = await runWrk({
        url: server.url,
        connections: options.connections ?? CONNECTIONS,
        seconds,
        requests: options.requests(seconds),
        allowErrors: options.allowErrors ?? false,
        cpu: pinned ? LOAD_CPU : undefined,
        signal: context.signal,
      });
      const after = accountOf(server.pid, others);
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

function accountOf(pid: number, others: Readonly<Record<string, readonly number[]>>): Record<string, number> {
  const parts = Object.entries(others).map(([part, pids]) => [part, cpuMsOf(pids)] as const);
  return { server: cpuMsOf([pid]), ...Object.fromEntries(parts) };
}

export const throughput = {
  quantity: 'throughput',
  of: ({ perSecond }: { readonly perSecond: number }) => perSecond,
} as const;

export const cpuPerAnswer = { quantity: 'cpu', of: ({ cpuUs }: HttpSample) => cpuUs } as const;
