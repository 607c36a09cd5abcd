import { randomBytes } from 'node:crypto';
import type { Log } from '../../runtime/log.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import { INCARNATION_KEY, POOL_KEY, producerKey } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

/**
 * The pool of one Redis shard: the list of ready keys between producers and mappers, and the epochs that
 * fence producers.
 *
 * Every method has a deadline and throws StoreUnavailableError (not executed) or OutcomeUnknownError (sent,
 * no answer). Every method except {@link Pool.take} and {@link Pool.putBack} may be repeated after an error.
 */
export interface Pool extends AsyncDisposable {
  readonly name: string;
  /** Connected and answering in time. On an idle connection this can be outdated by a second. */
  readonly isConnected: boolean;
  /** Resolves to whether the shard was connected within `timeoutMs`. */
  whenConnected(timeoutMs: number): Promise<boolean>;
  /**
   * Appends one part of a batch, at most once and in order; see lua/deliver.lua. With empty `keys`, only seq
   * advances.
   */
  deliver(delivery: Delivery): Promise<DeliveryReply>;
  /**
   * Announces a reign: deliveries of older reigns are refused from then on. Never lowers the epoch. Gives the
   * Redis an incarnation if it has none.
   */
  raiseEpoch(keysDb: string, epoch: number): Promise<RaiseReply>;
  /**
   * Reads the state of a keys-db's producer on this shard, without a change. There is no incarnation when no
   * epoch was raised since this Redis was empty.
   */
  producerState(keysDb: string): Promise<ProducerState>;
  /**
   * Moves seq from the value just read over parts recorded as lost. False when a later reign or another seq
   * is stored.
   */
  skipTo(skip: { keysDb: string; epoch: number; fromSeq: number; toSeq: number }): Promise<boolean>;
  /** Takes up to `count` keys from the head. */
  take(count: number, options?: TakeOptions): Promise<{ keys: string[]; level: number }>;
  /**
   * Returns unused keys to the head, first key first. Do not repeat it after an unknown outcome: the keys may
   * be in the pool.
   * @returns the level after the call
   */
  putBack(keys: readonly string[]): Promise<number>;
  level(options?: { timeoutMs?: number }): Promise<number>;
  /**
   * Up to `count` keys, at a distance of `fromTail` keys from the tail, in list order. Fewer or none at the
   * head. Takes remove keys at the head, so pages counted from the tail miss no key that stays. A delivery
   * between two pages only repeats keys.
   */
  page(fromTail: number, count: number): Promise<string[]>;
  /**
   * Whether the pool contains the key, by one command that reads the whole list: 5 ms for 115,000 keys.
   */
  has(key: string): Promise<boolean>;
  /**
   * The highest id of each keys-db that was claimed for a part delivered here, in their order; undefined
   * where none is stored.
   */
  claimMarks(keysDbs: readonly string[], options?: { timeoutMs?: number }): Promise<(number | undefined)[]>;
  /** Publishes `message` on a pub/sub channel of this shard. */
  publish(channel: string, message: string): Promise<void>;
}

export interface TakeOptions {
  readonly timeoutMs?: number;
  /** Receives the keys of an answer that came after the deadline. Without it they go back to the head. */
  readonly onLateKeys?: (keys: string[]) => void;
}

export interface Delivery {
  readonly keysDb: string;
  readonly epoch: number;
  readonly seq: number;
  readonly keys: readonly string[];
  /** The claim mark after the part's batch. Absent when its keys are claimed again. */
  readonly claimedTo?: number | undefined;
}

export interface DeliveryReply {
  readonly result: 'ok' | 'duplicate' | 'fenced' | 'gap';
  /** As stored after the call. */
  readonly epoch: number;
  readonly seq: number;
  readonly level: number;
}

export interface ProducerState {
  readonly epoch: number;
  readonly seq: number;
  readonly incarnation: string | undefined;
}

export interface RaiseReply extends ProducerState {
  readonly result: 'ok' | 'fenced';
  readonly incarnation: string;
  readonly level: number;
}

export interface PoolOptions {
  readonly name: string;
  readonly url: string;
  readonly log: Log;
  /** Deadline of a command, in ms. Default 1,000. */
  readonly commandTimeoutMs?: number;
  /**
   * Time after its deadline that a command may stay unanswered before the connection is cut. Default 3,000.
   */
  readonly hangMs?: number;
  /** Called after every new connection, the first included. */
  readonly onConnected?: () => void;
}

/** Deadline of a delivery of any size. A part of 50,000 keys takes Redis about 20 ms. */
const DELIVER_TIMEOUT_MS = 5_000;

/** Deadline of a search through the list, during which Redis serves nobody else. */
const HAS_TIMEOUT_MS = 3_000;

/** Starts connecting in the background and returns immediately. */
export function openPool(options: PoolOptions): Pool {
  return new RedisPool(options, openRedis(options.url, options));
}

class RedisPool implements Pool {
  readonly name: string;
  readonly #redis: RedisClient;
  readonly #log: Log;

  constructor(options: PoolOptions, redis: RedisClient) {
    this.name = options.name;
    this.#redis = redis;
    this.#log = options.log;
  }

  get isConnected(): boolean {
    return this.#redis.isConnected;
  }

  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  async deliver({ keysDb, epoch, seq, keys, claimedTo = 0 }: Delivery): Promise<DeliveryReply> {
    const args = [epoch, seq, claimedTo, ...pack(keys)];
    const timeoutMs = DELIVER_TIMEOUT_MS;
    const reply = await this.#redis.run(SCRIPTS.deliver, [POOL_KEY, producerKey(keysDb)], args, {
      timeoutMs,
    });
    const [result, storedEpoch, storedSeq, level] = reply as [
      DeliveryReply['result'],
      number,
      number,
      number,
    ];
    return { result, epoch: storedEpoch, seq: storedSeq, level };
  }

  async raiseEpoch(keysDb: string, epoch: number): Promise<RaiseReply> {
    const keys = [POOL_KEY, producerKey(keysDb), INCARNATION_KEY];
    const reply = await this.#redis.run(SCRIPTS.raiseEpoch, keys, [epoch, randomIncarnation()]);
    const [result, storedEpoch, seq, incarnation, level] = reply as [
      'ok' | 'fenced',
      number,
      number,
      string,
      number,
    ];
    return { result, epoch: storedEpoch, seq, incarnation, level };
  }

  async producerState(keysDb: string): Promise<ProducerState> {
    const [state, incarnation] = (await Promise.all([
      this.#redis.command('HMGET', [producerKey(keysDb), 'epoch', 'seq']),
      this.#redis.command('GET', [INCARNATION_KEY]),
    ])) as [[string | null, string | null], string | null];
    return {
      epoch: Number(state[0] ?? 0),
      seq: Number(state[1] ?? 0),
      incarnation: incarnation ?? undefined,
    };
  }

  async skipTo(skip: { keysDb: string; epoch: number; fromSeq: number; toSeq: number }): Promise<boolean> {
    const keys = [producerKey(skip.keysDb), INCARNATION_KEY];
    const reply = await this.#redis.run(SCRIPTS.skipTo, keys, [
      skip.epoch,
      skip.fromSeq,
      skip.toSeq,
      randomIncarnation(),
    ]);
    return (reply as [string])[0] === 'ok';
  }

  async take(
    count: number,
    { timeoutMs, onLateKeys = this.#putBackLate }: TakeOptions = {},
  ): Promise<{ keys: string[]; level: number }> {
    const reply = await this.#redis.run(SCRIPTS.take, [POOL_KEY], [count], {
      ...(timeoutMs !== undefined && { timeoutMs }),
      onLate: (late) => {
        const { keys } = parseTake(late);
        if (keys.length > 0) onLateKeys(keys);
      },
    });
    return parseTake(reply);
  }

  async putBack(keys: readonly string[]): Promise<number> {
    return (await this.#redis.run(SCRIPTS.putBack, [POOL_KEY], pack(keys))) as number;
  }

  async level(options?: { timeoutMs?: number }): Promise<number> {
    return (await this.#redis.command('LLEN', [POOL_KEY], options)) as number;
  }

  async page(fromTail: number, count: number): Promise<string[]> {
    return (await this.#redis.command('LRANGE', [POOL_KEY, -fromTail - count, -fromTail - 1])) as string[];
  }

  async has(key: string): Promise<boolean> {
    return (await this.#redis.command('LPOS', [POOL_KEY, key], { timeoutMs: HAS_TIMEOUT_MS })) !== null;
  }

  async claimMarks(
    keysDbs: readonly string[],
    options?: { timeoutMs?: number },
  ): Promise<(number | undefined)[]> {
    const reply = await this.#redis.run(SCRIPTS.claimMarks, keysDbs.map(producerKey), [], options);
    return (reply as string[]).map(parseMark);
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#redis.command('PUBLISH', [channel, message]);
  }

  /** Best effort: the audit finds the keys that are not put back, like the reserve of a killed mapper. */
  readonly #putBackLate = (keys: string[]): void => {
    this.putBack(keys).catch((error: unknown) => {
      this.#log.warn({ error, pool: this.name, keys: keys.length }, 'late keys could not be put back');
    });
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }
}

/** Anything that cannot be a claim mark counts as none: then every key may have been issued. */
function parseMark(text: string): number | undefined {
  const mark = Number(text);
  return text !== '' && Number.isSafeInteger(mark) && mark >= 0 ? mark : undefined;
}

function parseTake(reply: unknown): { keys: string[]; level: number } {
  const [level, ...keys] = reply as [number, ...string[]];
  return { keys, level };
}

/** The length of one key, and all keys concatenated: the arguments of the scripts. */
function pack(keys: readonly string[]): [number, string] {
  const length = keys[0]?.length ?? 1;
  if (keys.some((key) => key.length !== length))
    throw new RangeError('the keys of one call must have one length');
  return [length, keys.join('')];
}

function randomIncarnation(): string {
  return randomBytes(8).toString('hex');
}
