import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { pollEvery } from '../../runtime/polling.ts';
import { SHARD_ANSWER_MS } from './hearing.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import type { Subscription } from './reconnecting-link.ts';

export interface HeardShardOptions {
  readonly name: string;
  readonly url: string;
  readonly log: Log;
  readonly subscription: Subscription;
  /** The subscription begins, at first and after every loss: messages may have been missed. */
  readonly onSubscribed: () => void;
  /** Heard again after a silence that the connection survived. */
  readonly onHeardAgain: () => void;
  /** {@link HeardShard.isAnswering} has become false. */
  readonly onUnanswering: () => void;
}

/** A lost subscription is detected within `HEARTBEAT_MS` (of the client) plus these two. */
const COMMAND_TIMEOUT_MS = 500;
const HANG_MS = 500;

/** A PONG proves that every message from before its PING has arrived. */
const PROVE_EVERY_MS = 150;
/** Shorter than an announcer waits for the acknowledgements of a change: `CHANGE_MS`. */
const SILENT_AFTER_MS = 450;

/** The subscription to one shard, and the last proof that it is heard. */
export class HeardShard implements AsyncDisposable {
  readonly #options: HeardShardOptions;
  readonly #client: RedisClient;
  readonly #stopping = new AbortController();
  readonly #proving: Promise<void>;
  /** Everything published before this moment has arrived. */
  #heardUntilMs = Number.NEGATIVE_INFINITY;
  #isSubscribed = false;
  #isAnswering = false;

  /** Starts connecting in the background. */
  constructor(options: HeardShardOptions) {
    const { name, url, log, subscription } = options;
    this.#options = options;
    this.#client = openRedis(url, {
      name,
      log: log.child({ purpose: 'invalidation' }),
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      hangMs: HANG_MS,
      subscription,
      onConnected: () => this.#subscribed(),
      onLost: () => this.#lost(),
    });
    this.#proving = pollEvery(PROVE_EVERY_MS, this.#stopping.signal, async () => this.#prove());
  }

  get name(): string {
    return this.#options.name;
  }

  /** Resolves when the subscription has begun, or after `timeoutMs`. */
  async whenSubscribed(timeoutMs: number): Promise<void> {
    await this.#client.whenConnected(timeoutMs);
  }

  /** Whether everything arrived that was published until a moment ago. */
  isHeard(nowMs: number): boolean {
    return nowMs - this.#heardUntilMs < SILENT_AFTER_MS;
  }

  /** Messages arrive, and the caller was told that the subscription has begun. */
  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  /** Subscribed, and no ping has been without an answer for {@link SHARD_ANSWER_MS}. */
  get isAnswering(): boolean {
    return this.#isAnswering;
  }

  #subscribed(): void {
    this.#heardUntilMs = monotonicMs();
    this.#isSubscribed = true;
    this.#isAnswering = true;
    this.#options.onSubscribed();
  }

  #lost(): void {
    this.#isSubscribed = false;
    this.#heardUntilMs = Number.NEGATIVE_INFINITY;
    this.#stopsAnswering();
  }

  #stopsAnswering(): void {
    if (!this.#isAnswering) return;
    this.#isAnswering = false;
    this.#options.onUnanswering();
  }

  async #prove(): Promise<void> {
    const sentAtMs = monotonicMs();
    const deadline = new AnswerDeadline(SHARD_ANSWER_MS, () => this.#stopsAnswering());
    try {
      await this.#client.command('PING', []);
    } catch {
      return;
    } finally {
      deadline.clear();
    }
    if (!this.isHeard(monotonicMs())) this.#options.onHeardAgain();
    this.#heardUntilMs = Math.max(this.#heardUntilMs, sentAtMs);
    this.#isAnswering = this.#isSubscribed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#client[Symbol.asyncDispose]();
    await this.#proving;
  }
}
