import { Agent, request } from 'node:http';
import { monotonicMs } from '../../../runtime/clock.ts';
import { percentile } from '../../../runtime/statistics.ts';
import { BY } from '../../../mapper/statistics/question.ts';

/** How long answers took, in milliseconds. */
export interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function timesOf(samples: readonly number[]): Times {
  const [p50 = 0, p99 = 0, max = 0] = [0.5, 0.99, 1].map((share) =>
    Number(percentile(samples, share).toFixed(1)),
  );
  return { p50, p99, max };
}

/** Asks over one connection, one question after the other. */
export class Asker implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #base: string;
  readonly #key: string;

  /** @param key an API key */
  constructor(base: string, key: string) {
    this.#base = base;
    this.#key = key;
  }

  /** @returns the milliseconds until the whole answer was there, and its JSON */
  async ask(path: string): Promise<{ ms: number; body: Record<string, unknown> }> {
    const startedMs = monotonicMs();
    const { promise, resolve, reject } = Promise.withResolvers<{
      ms: number;
      body: Record<string, unknown>;
    }>();
    const headers = { authorization: `Bearer ${this.#key}` };
    request(this.#base + path, { agent: this.#agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const ms = monotonicMs() - startedMs;
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve({ ms, body: JSON.parse(text) as Record<string, unknown> });
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const DAY_MS = 86_400_000;
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'];

/** Any question about the last `days` days. */
export function anyQuestion(random: () => number, days: number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const by = pick(BY);
  const [first, last] = [random() * days, random() * days].sort((a, b) => b - a) as [number, number];
  const dateOf = (ago: number): string =>
    new Date(Date.now() - (ago + 1) * DAY_MS).toISOString().slice(0, 10);
  const query = new URLSearchParams({ by, tz: pick(ZONES) });
  const period = pick(['all', 'month', 'any', 'any']);
  const isLong = period === 'all' || first - last > 200;
  query.set('unit', pick(isLong ? ['day', 'month'] : ['hour', 'day', 'month']));
  if (period === 'month') query.set('from', dateOf(30));
  if (period === 'any') {
    query.set('from', dateOf(Math.floor(first) + 1));
    query.set('to', dateOf(Math.floor(last)));
  }
  return `?${query.toString()}`;
}
