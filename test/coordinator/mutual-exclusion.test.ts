import { expect } from 'chai';
import * as fc from 'fast-check';
import { sweepOwnNodes } from '../../coordinator/lock-view.ts';
import { isHeld, tryAcquire, type HeldLock } from '../../coordinator/lock.ts';
import { lockPath } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { isZooKeeperCreate, type FaultyProxy } from '../../drills/proxy/proxy.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { until } from '../until.ts';
import { Harness, log, T } from './harness.ts';

const PATH = lockPath('keys-db-1');
const CONTENDERS = 4;
/** How many random situations are tried. Set more for a long hunt by hand. */
const RUNS = Number(process.env['KEYMILL_TEST_RUNS'] ?? 4);

const VERBS: Record<string, (proxy: FaultyProxy) => void> = {
  silence: (proxy) => proxy.silence(),
  acceptWithoutAnswering: (proxy) => proxy.acceptWithoutAnswering(),
  cut: (proxy) => proxy.cut(),
  cutMidPacket: (proxy) => proxy.cutAfter(30),
  cutBeforeReplyToCreate: (proxy) => proxy.cutBeforeReplyTo(isZooKeeperCreate),
  delay: (proxy) => proxy.delay(T / 10),
  heal: (proxy) => proxy.heal(),
};

const step = fc.record({
  verb: fc.constantFrom(...Object.keys(VERBS)),
  /** 3 = all of them: a partition from the whole ensemble */
  proxy: fc.integer({ min: 0, max: 3 }),
  forMs: fc.integer({ min: 0, max: Math.round(T * 0.7) }),
});

/**
 * A contender like a producer: takes the lock when it is free, keeps it for a while, and opens a new session
 * after the end of its session.
 */
class Contender {
  readonly #connect: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  lock: HeldLock | undefined;
  taken = 0;

  constructor(connect: string) {
    this.#connect = connect;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await using session = await this.#open();
        await this.#contend(session.session);
      } catch {
        await pauseQuietly(20, this.#stop.signal);
      }
    }
  }

  async #open(): Promise<AsyncDisposable & { session: Session }> {
    const session = await Session.open({
      connect: this.#connect,
      timeoutMs: T,
      log,
      signal: this.#stop.signal,
    });
    return { session, [Symbol.asyncDispose]: async () => session.close() };
  }

  async #contend(session: Session): Promise<void> {
    const over = AbortSignal.any([session.ended, this.#stop.signal]);
    while (!over.aborted) {
      await this.#takeOnce(session, over).catch(() => undefined);
      await pauseQuietly(10, over);
    }
  }

  async #takeOnce(session: Session, over: AbortSignal): Promise<void> {
    await sweepOwnNodes(session, new Set());
    const result = await tryAcquire(session, PATH, { owner: session.id, host: 'h', pid: 1 });
    if (!isHeld(result)) return;
    this.lock = result;
    this.taken += 1;
    await pauseQuietly(150, AbortSignal.any([over, result.signal]));
    await result.release();
  }
}

describe('lock: under random network faults', () => {
  it('never lets two holders write at the same time, and is held again after the faults', async function () {
    this.timeout(RUNS * 60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 8 }), async (steps) => {
        const harness = await Harness.start();
        const contenders = Array.from({ length: CONTENDERS }, () => new Contender(harness.connect));
        let worst = 0;
        const looking = setInterval(() => {
          const writers = contenders.filter(({ lock }) => lock?.mayWrite() === true);
          worst = Math.max(worst, writers.length);
        }, 1);
        try {
          for (const { verb, proxy, forMs } of steps) {
            const chosen = harness.proxies[proxy];
            for (const target of chosen ? [chosen] : harness.proxies) VERBS[verb]?.(target);
            await pauseQuietly(forMs, AbortSignal.timeout(10_000));
          }
          harness.each((proxy) => proxy.heal());
          const before = contenders.reduce((sum, { taken }) => sum + taken, 0);
          await until(
            'a contender to take the lock again',
            () => contenders.reduce((sum, { taken }) => sum + taken, 0) > before,
          );
          expect(worst).to.be.at.most(1);
        } finally {
          clearInterval(looking);
          harness.each((proxy) => proxy.heal());
          await Promise.all(contenders.map(async (contender) => contender.stop()));
          await harness.stop();
        }
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
