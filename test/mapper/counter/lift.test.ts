import { expect } from 'chai';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import { CounterMarkWatch } from '../../../mapper/keys/counter-mark-watch.ts';
import { CounterSource } from '../../../mapper/keys/counter-source.ts';
import { Breaker } from '../../../runtime/breaker.ts';
import { COUNTER_BREAKER } from '../../../runtime/config/breakers.ts';
import { createLog } from '../../../runtime/log.ts';

const REGION = 1_023;

describe('the lift of a counter that has gone back with its mark', () => {
  it('goes past keys that turn out to be bound meanwhile', async () => {
    const keyspace = createKeyspace({ length: 8, secret: 'a secret for tests', regionBits: 10 });
    const keyAt = (id: number): string => keyspace.keysOf(REGION, id, 1)[0] ?? '';
    const log = createLog('test', 'lift', 'silent');
    const ignore = (): void => undefined;
    let mark = 0;
    const marks = {
      name: 'users',
      read: async () => mark,
      advance: async ({ to }: { to: number }) => ((mark = to), true),
      raiseTo: async (to: number) => void (mark = Math.max(mark, to)),
      close: async () => undefined,
    };
    // A key from a batch of before, which comes late: far above all that the lift looks at.
    const late = [keyAt(3_000_000)];
    const source: CounterSource = new CounterSource({
      keyspace,
      region: REGION,
      redis: {
        name: 'redis-1',
        next: async () => Promise.reject(new StoreUnavailableError('redis-1', 'away')),
      },
      marks,
      watch: new CounterMarkWatch({
        marks,
        issued: { recordCounter: ignore },
        canRaise: true,
        onGoneBack: ignore,
        log,
      }),
      breaker: new Breaker({ ...COUNTER_BREAKER, now: () => 0 }),
      batches: { first: 100, next: () => 100 },
      findBound: async () => {
        for (const key of late.splice(0)) source.suspect(key);
        return new Set();
      },
      onBatch: ignore,
      onWasted: ignore,
      now: () => 0,
      log,
    });
    await source.poll();
    source.suspect(keyAt(50));
    await source.poll();
    expect(source.ranges()).to.have.length(1);
    expect(source.ranges()[0]?.first).to.be.above(3_000_000);
  });
});
