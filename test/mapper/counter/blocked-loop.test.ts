import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { CounterMarkWatch } from '../../../mapper/keys/counter-mark-watch.ts';
import { CounterSource } from '../../../mapper/keys/counter-source.ts';
import { Breaker } from '../../../runtime/breaker.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { COUNTER_BREAKER } from '../../../runtime/config/breakers.ts';
import { createLog } from '../../../runtime/log.ts';
import { block } from '../../block.ts';

const TIMEOUT_MS = 500;
const log = createLog('test', 'blocked', 'silent');

type Answer = <T>(value: T) => Promise<T>;

const soon: Answer = async (value) => delay(20, value);
const never: Answer = async () => new Promise(() => undefined);

/** A source of keys whose stores answer like this. */
function openSource(answer: Answer): CounterSource {
  const keyspace = createKeyspace({ length: 8, secret: 'a secret for tests', regionBits: 10 });
  const ignore = (): void => undefined;
  let counter = 0;
  let mark = 0;
  const marks = {
    name: 'users',
    read: async () => answer(mark),
    advance: async ({ to }: { to: number }) => answer(((mark = to), true)),
    raiseTo: async (to: number) => void (mark = Math.max(mark, to)),
    close: async () => undefined,
  };
  return new CounterSource({
    keyspace,
    region: 1_023,
    redis: {
      name: 'redis-1',
      next: async (count) => {
        counter += count;
        return answer({ from: counter - count, was: counter - count });
      },
    },
    marks,
    watch: new CounterMarkWatch({
      marks,
      issued: { recordCounter: ignore },
      canRaise: true,
      onGoneBack: ignore,
      log,
    }),
    breaker: new Breaker({ ...COUNTER_BREAKER, now: monotonicMs }),
    batches: { first: 100, next: () => 100 },
    findBound: async () => new Set(),
    onBatch: ignore,
    onWasted: ignore,
    now: monotonicMs,
    log,
  });
}

describe('a take of keys by counter', () => {
  it('waits for stores that answer, though the event loop was blocked for longer than its time', async () => {
    const taken = openSource(soon).pool.take(10, { timeoutMs: TIMEOUT_MS, onLateKeys: () => undefined });
    block(1.5 * TIMEOUT_MS);
    expect((await taken).keys).to.have.length(10);
  });

  it('ends after its time when they do not', async () => {
    const taken = openSource(never).pool.take(10, { timeoutMs: 50, onLateKeys: () => undefined });
    expect((await taken).keys).to.have.length(0);
  });
});
