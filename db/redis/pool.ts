import { randomBytes } from 'node:crypto';
import type { Log } from '../../runtime/log.ts';
import { formatIdentity, type KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import { parseCount } from '../../runtime/stored-values.ts';
import {
  parseDelivery,
  parseKeys,
  parseLevel,
  parseMarks,
  parseProducerState,
  parseRaise,
  isWrongType,
  parseTake,
  refuseForeign,
  translateRefusal,
  wrongType,
  type DeliveryReply,
  type ProducerState,
  type RaiseReply,
} from './pool-replies.ts';
import { openRedis, type CommandOptions, type RedisClient } from './redis-client.ts';
import { INCARNATION_KEY, KEYSPACE_KEY, POOL_KEY, producerKey } from './redis-keys.ts';
import { SCRIPTS, type Script } from './redis-scripts.ts';

export type { DeliveryReply, ProducerState, RaiseReply } from './pool-replies.ts';

/**
 * The pool of one Redis shard: the list of ready keys between producers and mappers, and the epochs that
 * fence producers.
 *
 * Every method has a deadline and throws StoreUnavailableError (not executed) or OutcomeUnknownError (sent,
 * no answer). Every method except {@link Pool.take} and {@link Pool.putBack} may be repeated after an error.
 *
 * Every method except {@link Pool.publish} throws MismatchError when the pool belongs to another keyspace,
 * and ImpossibleValueError when the Redis holds a value that no program of ours writes. Then nothing was
 * changed.
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
  /** The same of several keys-dbs, in their order, read together. */
  producerStates(keysDbs: readonly string[]): Promise<ProducerState[]>;
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
  /** Up to `count` keys at the head, which the next take would get. They stay in the pool. */
  head(count: number, options?: { timeoutMs?: number }): Promise<string[]>;
  /**
   * Whether the pool contains the key, by one command that reads the whole list: 5 ms for 115,000 keys.
   */
  has(key: string): Promise<boolean>;
  /**
   * The highest id of each keys-db that was claimed for a part delivered here, in their order; undefined
   * where none is stored.
   */
  claimMarks(keysDbs: readonly string[], options?: { timeoutMs?: number }): Promise<(number | undefined)[]>;
  /**
   * Publishes `message` on a pub/sub channel of this shard; also while the shard is late with its answers.
   * @returns how many connections were subscribed to the channel
   */
  publish(channel: string, message: string): Promise<number>;
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

export interface PoolOptions {
  readonly name: string;
  readonly url: string;
  readonly log: Log;
  /**
   * The keyspace that the pool must belong to. The first announcement of a reign or delivery records it.
   * Without it nothing is compared.
   */
  readonly keyspace?: KeyspaceIdentity;
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
  readonly #keyspace: KeyspaceIdentity | undefined;
  /** As the scripts get it. */
  readonly #identity: string;

  constructor(options: PoolOptions, redis: RedisClient) {
    this.name = options.name;
    this.#redis = redis;
    this.#log = options.log;
    this.#keyspace = options.keyspace;
    this.#identity = options.keyspace === undefined ? '' : formatIdentity(options.keyspace);
  }

  get isConnected(): boolean {
    return this.#redis.isConnected;
  }

  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  async deliver({ keysDb, epoch, seq, keys, claimedTo = 0 }: Delivery): Promise<DeliveryReply> {
    const state = producerKey(keysDb);
    const args = [epoch, seq, claimedTo, ...pack(keys), this.#identity];
    const timeoutMs = DELIVER_TIMEOUT_MS;
    const reply = await this.#run(SCRIPTS.deliver, [POOL_KEY, state, KEYSPACE_KEY], args, { timeoutMs });
    return parseDelivery(reply, { store: this.name, state });
  }

  async raiseEpoch(keysDb: string, epoch: number): Promise<RaiseReply> {
    const state = producerKey(keysDb);
    const keys = [POOL_KEY, state, INCARNATION_KEY, KEYSPACE_KEY];
    const reply = await this.#run(SCRIPTS.raiseEpoch, keys, [epoch, randomIncarnation(), this.#identity]);
    return parseRaise(reply, { store: this.name, state });
  }

  async producerState(keysDb: string): Promise<ProducerState> {
    const [state] = await this.producerStates([keysDb]);
    return state as ProducerState;
  }

  async producerStates(keysDbs: readonly string[]): Promise<ProducerState[]> {
    const states = keysDbs.map(producerKey);
    const read = states.map((state): [string, string[]] => ['HMGET', [state, 'epoch', 'seq', 'claimed_to']]);
    const [incarnation, ...fields] = await this.#ask([['GET', [INCARNATION_KEY]], ...read]);
    return states.map((state, at) =>
      parseProducerState(fields[at], incarnation, { store: this.name, state }),
    );
  }

  async skipTo(skip: { keysDb: string; epoch: number; fromSeq: number; toSeq: number }): Promise<boolean> {
    const { epoch, fromSeq, toSeq } = skip;
    const keys = [producerKey(skip.keysDb), INCARNATION_KEY, KEYSPACE_KEY];
    const args = [epoch, fromSeq, toSeq, randomIncarnation(), this.#identity];
    const reply = await this.#run(SCRIPTS.skipTo, keys, args);
    return Array.isArray(reply) && reply[0] === 'ok';
  }

  async take(
    count: number,
    { timeoutMs, onLateKeys = this.#putBackLate }: TakeOptions = {},
  ): Promise<{ keys: string[]; level: number }> {
    const reply = await this.#run(SCRIPTS.take, [POOL_KEY, KEYSPACE_KEY], [count, this.#identity], {
      ...(timeoutMs !== undefined && { timeoutMs }),
      onLate: (late) => {
        const { keys } = parseTake(late, this.name);
        if (keys.length > 0) onLateKeys(keys);
      },
    });
    return parseTake(reply, this.name);
  }

  async putBack(keys: readonly string[]): Promise<number> {
    const args = [...pack(keys), this.#identity];
    return parseLevel(await this.#run(SCRIPTS.putBack, [POOL_KEY, KEYSPACE_KEY], args), this.name);
  }

  async level(options?: { timeoutMs?: number }): Promise<number> {
    const [level] = await this.#ask([['LLEN', [POOL_KEY]]], options);
    return parseLevel(level, this.name);
  }

  async page(fromTail: number, count: number): Promise<string[]> {
    const [keys] = await this.#ask([['LRANGE', [POOL_KEY, -fromTail - count, -fromTail - 1]]]);
    return parseKeys(keys, this.name);
  }

  async head(count: number, options?: { timeoutMs?: number }): Promise<string[]> {
    const [keys] = await this.#ask([['LRANGE', [POOL_KEY, 0, count - 1]]], options);
    return parseKeys(keys, this.name);
  }

  async has(key: string): Promise<boolean> {
    return (await this.#redis.command('LPOS', [POOL_KEY, key], { timeoutMs: HAS_TIMEOUT_MS })) !== null;
  }

  async claimMarks(
    keysDbs: readonly string[],
    options?: { timeoutMs?: number },
  ): Promise<(number | undefined)[]> {
    const states = keysDbs.map(producerKey);
    return parseMarks(await this.#run(SCRIPTS.claimMarks, states, [], options), states, this.name);
  }

  async publish(channel: string, message: string): Promise<number> {
    const reply = await this.#redis.command('PUBLISH', [channel, message], { isSentWhenOverdue: true });
    return parseCount(reply, { store: this.name, what: 'the answer to PUBLISH' });
  }

  async #run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown> {
    try {
      return await this.#redis.run(script, keys, args, options);
    } catch (error) {
      throw await this.#explain(keys, error);
    }
  }

  /** Sends commands that only read, together, and compares the keyspace. @returns their answers in order */
  async #ask(
    commands: readonly (readonly [name: string, args: readonly (string | number)[]])[],
    options?: CommandOptions,
  ): Promise<unknown[]> {
    try {
      const [keyspace, ...answers] = await Promise.all([
        this.#redis.command('GET', [KEYSPACE_KEY], options),
        ...commands.map(async ([name, args]) => this.#redis.command(name, args, options)),
      ]);
      refuseForeign(keyspace, this.#keyspace, this.name);
      return answers;
    } catch (error) {
      throw await this.#explain([KEYSPACE_KEY, ...commands.map(([, [key]]) => String(key))], error);
    }
  }

  /** The error of a call on these keys; one that names the key if it is of another type. */
  async #explain(keys: readonly string[], error: unknown): Promise<unknown> {
    if (!isWrongType(error)) return translateRefusal(error, this.#keyspace, this.name);
    const types = await Promise.all(
      keys.map(async (key) => [key, await this.#redis.command('TYPE', [key]).catch(() => 'none')] as const),
    );
    return wrongType(new Map(types), this.name);
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
