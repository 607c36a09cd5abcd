import { randomBytes } from 'node:crypto';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { Announcer } from './announcer.ts';
import { HeardShard } from './heard-shard.ts';
import { parseAcknowledgement, parseQuestion, PROCESS_ID_BYTES } from './hearing-messages.ts';
import type { Heard } from './hearing.ts';
import type { Pool } from './pool.ts';
import { acknowledgementChannel, INVALIDATION_CHANNEL, QUESTION_CHANNEL } from './redis-keys.ts';

export interface InvalidationOptions {
  /** All Redis shards. Subscriptions have connections of their own; `pool` publishes. */
  readonly shards: readonly {
    readonly name: string;
    readonly url: string;
    readonly pool: Pick<Pool, 'publish'>;
  }[];
  readonly log: Log;
  /**
   * Called for every published key, once for each shard that delivers it. When it returns, the old state must
   * be forgotten: then the message is acknowledged.
   */
  readonly onInvalidated: (key: string) => void;
  /**
   * Called when the subscription to a shard begins, at first and after every loss: messages may have been
   * missed.
   */
  readonly onSubscribed: (server: string) => void;
  /**
   * Called when a shard is heard again after a silence that the connection survived. Announcers may not have
   * waited for the shard meanwhile.
   */
  readonly onHeardAgain: (server: string) => void;
}

/** A running subscription to all shards, and the way to announce a change to everybody who has one. */
export interface Invalidations extends AsyncDisposable {
  /**
   * Whether all shards were heard a moment ago. While one is not, an announcement may be missing that only
   * this shard carries.
   */
  readonly isHearing: boolean;
  /** Whether this shard was heard a moment ago. */
  hears(server: string): boolean;
  /** Resolves when all subscriptions have begun for the first time, or after `timeoutMs`. */
  whenSubscribed(timeoutMs: number): Promise<void>;
  /**
   * Announces on all shards that `keys` have changed, and waits until all processes have heard it, for half
   * a second at most. Pub/sub guarantees no more: a process that is cut off from every shard misses the
   * message, and forgets everything when it is connected again. Never rejects.
   */
  announce(keys: readonly string[]): Promise<Heard>;
}

/** Subscribes to all shards until disposed, each on its own connection, which is renewed after every loss. */
export function subscribeInvalidations(options: InvalidationOptions): Invalidations {
  const id = randomBytes(PROCESS_ID_BYTES).toString('base64url');
  const heard: HeardShard[] = options.shards.map((shard, index) => {
    const acknowledgements = new Acknowledgements(shard.pool, () => heard[index]?.isSubscribed ?? false);
    const onMessage = (channel: string, message: string): void => {
      if (channel === INVALIDATION_CHANNEL) options.onInvalidated(message);
      else if (channel === QUESTION_CHANNEL) {
        const question = parseQuestion(message);
        if (question?.announcer === id) announcer.acknowledged(index, question.number);
        else if (question !== undefined) acknowledgements.add(question);
      } else for (const number of parseAcknowledgement(message)) announcer.acknowledged(index, number);
    };
    return new HeardShard({
      name: shard.name,
      url: shard.url,
      log: options.log,
      subscription: {
        channels: [INVALIDATION_CHANNEL, QUESTION_CHANNEL, acknowledgementChannel(id)],
        onMessage,
      },
      onSubscribed: () => {
        options.onSubscribed(shard.name);
        acknowledgements.send();
      },
      onHeardAgain: () => options.onHeardAgain(shard.name),
      onUnanswering: () => announcer.judgeAll(),
    });
  });
  const announcer = new Announcer(
    id,
    options.shards.map(({ pool }, index) => ({
      pool,
      isAnswering: () => heard[index]?.isAnswering ?? false,
    })),
  );
  return {
    get isHearing() {
      const nowMs = monotonicMs();
      return heard.every((shard) => shard.isHeard(nowMs));
    },
    hears: (server) => heard.some((shard) => shard.name === server && shard.isHeard(monotonicMs())),
    whenSubscribed: async (timeoutMs) => {
      await Promise.all(heard.map(async (shard) => shard.whenSubscribed(timeoutMs)));
    },
    announce: async (keys) => announcer.announce(keys),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(heard.map(async (shard) => shard[Symbol.asyncDispose]()));
    },
  };
}
