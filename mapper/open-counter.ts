import { openCounterMarks, type CounterMarks } from '../db/counter/counter-marks.ts';
import type { Keyspace } from '../db/keyspace/key.ts';
import { IdCounter } from '../db/redis/id-counter.ts';
import { MismatchError } from '../db/store-errors.ts';
import { Breaker } from '../runtime/breaker.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { COUNTER_BREAKER } from '../runtime/config/breakers.ts';
import { counterRegionOf, findKeysDbOfLastRegion, type StoresConfig } from '../runtime/config/stores.ts';
import type { Log } from '../runtime/log.ts';
import { logBreaker } from '../runtime/log-breaker.ts';
import { endPolls, pollEvery } from '../runtime/polling.ts';
import { BATCHES, type BatchPolicy } from './keys/batch-size.ts';
import { CounterMarkWatch } from './keys/counter-mark-watch.ts';
import { CounterSource, type CounterSourceOptions } from './keys/counter-source.ts';
import type { IssuedKeys } from './keys/issued-keys.ts';

export interface OpenCounterOptions {
  readonly stores: StoresConfig;
  readonly keyspace: Keyspace;
  readonly issued: IssuedKeys;
  readonly findBound: CounterSourceOptions['findBound'];
  /** Default: {@link BATCHES}. A test makes small ones. */
  readonly batches?: BatchPolicy | undefined;
  /** What becomes of batches; a metric counts it. */
  readonly events: CounterEvents;
  readonly log: Log;
}

export type CounterEvents = Pick<CounterSourceOptions, 'onBatch' | 'onWasted'> & {
  /** The mark in the users database was lower than before. */
  readonly onGoneBack: () => void;
};

export const UNCOUNTED: CounterEvents = {
  onBatch: () => undefined,
  onWasted: () => undefined,
  onGoneBack: () => undefined,
};

const POLL_MS = 250;
const FIRST_CONNECTION_MS = 1_000;
const MARK_POLL_MS = 1_000;
const MARK_POLL_TIMEOUT_MS = 1_000;

/** The counter of a mapper that gets its keys from it. */
export interface OpenCounter extends AsyncDisposable {
  readonly source: CounterSource | undefined;
  /**
   * Resolves when the first batch is there, or could not be had.
   * Rejects with MismatchError when a keys-db has the region, of which keys were given out by counter.
   */
  readonly firstBatch: Promise<void>;
}

/**
 * Watches the mark of the counter, in every mapper that has a users database, because other mappers may get
 * their keys by counter. With `KEYMILL_KEY_SOURCE=counter` it also opens the source of keys.
 */
export function openCounter(options: OpenCounterOptions): OpenCounter {
  const { stores, keyspace, issued, batches = BATCHES, findBound, events, log } = options;
  const stack = new AsyncDisposableStack();
  const [firstRedis] = stores.redis;
  if (stores.usersDb === undefined || firstRedis === undefined)
    return { source: undefined, firstBatch: Promise.resolve(), [Symbol.asyncDispose]: async () => {} };
  const isSource = stores.keySource === 'counter';
  const marks = openCounterMarks(stores.usersDb, { connections: isSource ? 2 : 1 });
  stack.defer(async () => marks.close());
  const watch = new CounterMarkWatch({
    marks,
    issued,
    canRaise: isSource,
    onGoneBack: events.onGoneBack,
    log,
  });
  const stopping = new AbortController();
  const polls = [pollEvery(MARK_POLL_MS, stopping.signal, async () => watch.poll(MARK_POLL_TIMEOUT_MS))];
  let source: CounterSource | undefined;
  let firstBatch = isSource ? Promise.resolve() : refuseSharedRegion(stores, marks);
  if (isSource) {
    const redis = stack.use(new IdCounter({ ...firstRedis, keyspace, log }));
    const opened = new CounterSource({
      keyspace,
      region: counterRegionOf(keyspace.regionBits),
      redis,
      marks,
      watch,
      breaker: openBreaker(log),
      batches,
      findBound,
      onBatch: events.onBatch,
      onWasted: events.onWasted,
      now: monotonicMs,
      log,
    });
    // Without a connection the first batch would come from the mark alone.
    firstBatch = redis.whenConnected(FIRST_CONNECTION_MS).then(async () => opened.poll());
    polls.push(firstBatch.then(async () => pollEvery(POLL_MS, stopping.signal, async () => opened.poll())));
    source = opened;
  }
  stack.defer(async () => {
    stopping.abort();
    await endPolls(...polls);
  });
  return { source, firstBatch, [Symbol.asyncDispose]: async () => stack.disposeAsync() };
}

/**
 * A keys-db may have the last region in a cluster that was made before there was a counter. If keys came by
 * counter once, it would give them out again.
 */
async function refuseSharedRegion(stores: StoresConfig, marks: Pick<CounterMarks, 'read'>): Promise<void> {
  const keysDb = findKeysDbOfLastRegion(stores);
  if (keysDb === undefined) return;
  // Without an answer, nothing is known against it.
  const mark = await marks.read().catch(() => 0);
  if (mark > 0)
    throw new MismatchError(
      keysDb.name,
      `its region has ${mark} ids that were given out by counter: take it out of KEYMILL_KEYS_DBS`,
    );
}

function openBreaker(log: Log): Breaker {
  return new Breaker({
    ...COUNTER_BREAKER,
    now: monotonicMs,
    onChanged: logBreaker(log, 'counter: breaker changed', {}),
  });
}
