import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { messageOf } from '../../runtime/errors.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../store-errors.ts';
import { ReconnectingLink, type ReconnectingLinkOptions } from './reconnecting-link.ts';
import type { Script } from './redis-scripts.ts';
import { NotSentError, ReplyError, type RedisLink } from './redis.ts';

/**
 * One Redis server. A command fails immediately when there is no usable connection, and never waits for one.
 *
 * - *away*: no connection. Commands are refused immediately. At most 250 ms after a failed attempt to connect
 *   the next one begins.
 * - *connected*: commands are sent immediately, each with a deadline.
 * - *overdue*: connected, but some command has passed its deadline without an answer. New commands are
 *   refused immediately, so that none pile up in front of a hung server. Becomes *connected* when the late
 *   answers arrive, and *away* when the oldest is `hangMs` late: the connection is then cut, because a
 *   network that drops packets reports nothing.
 *
 * A PING every second detects the same on an idle connection, and behind a command with a long deadline.
 */
export interface RedisClient extends AsyncDisposable {
  readonly name: string;
  /** Connected, and not overdue. */
  readonly isConnected: boolean;
  /** Resolves to whether the server was connected within `timeoutMs`. */
  whenConnected(timeoutMs: number): Promise<boolean>;
  /**
   * @throws StoreUnavailableError when it was not executed: away, overdue, or refused by Redis (OOM,
   * READONLY, LOADING, …)
   * @throws OutcomeUnknownError when it was sent and the answer came too late or never
   */
  command(name: string, args: readonly (string | number)[], options?: CommandOptions): Promise<unknown>;
  /**
   * Runs a script by its hash. When Redis does not know the hash, which means that it did not run, sends the
   * text.
   */
  run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown>;
}

export interface CommandOptions {
  readonly timeoutMs?: number;
  /** Receives a reply that arrives after the deadline, for commands whose effect must not be lost. */
  readonly onLate?: (reply: unknown) => void;
  /**
   * Whether to send it also while earlier commands are overdue. Only for a command whose late execution is
   * useful, and which may be lost.
   */
  readonly isSentWhenOverdue?: boolean;
}

export interface RedisClientOptions extends ReconnectingLinkOptions {
  /** Deadline of a command, in ms. Default 1,000. */
  readonly commandTimeoutMs?: number;
  /**
   * Time after its deadline that a command may stay unanswered before the connection is cut. Default 3,000.
   */
  readonly hangMs?: number;
}

const HEARTBEAT_MS = 1_000;
/** Above this many unanswered commands new ones are refused: every queue is bounded. */
const MAX_IN_FLIGHT = 10_000;

/**
 * Starts connecting and returns immediately: a server that is down does not stop the program from starting.
 */
export function openRedis(url: string, options: RedisClientOptions): RedisClient {
  return new DeadlineClient(url, options);
}

class DeadlineClient implements RedisClient {
  readonly name: string;
  readonly #options: RedisClientOptions;
  readonly #link: ReconnectingLink;
  readonly #heartbeat: NodeJS.Timeout;
  #inFlight = 0;
  #overdue = 0;

  constructor(url: string, options: RedisClientOptions) {
    this.name = options.name;
    this.#options = options;
    this.#link = new ReconnectingLink(url, options);
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  get isConnected(): boolean {
    return this.#link.isConnected && this.#overdue === 0;
  }

  async whenConnected(timeoutMs: number): Promise<boolean> {
    return (await this.#link.whenConnected(timeoutMs)) && this.isConnected;
  }

  async command(
    name: string,
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown> {
    return this.#send(name, options, async (link) => link.send(name, args));
  }

  async run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown> {
    return this.#send(script.name, options, async (link, hasExpired) => {
      try {
        return await link.send('EVALSHA', [script.sha1, keys.length, ...keys, ...args]);
      } catch (error) {
        if (!(error instanceof ReplyError) || error.code !== 'NOSCRIPT' || hasExpired()) throw error;
        return link.send('EVAL', [script.source, keys.length, ...keys, ...args]);
      }
    });
  }

  async #send(
    what: string,
    options: CommandOptions = {},
    work: (link: RedisLink, hasExpired: () => boolean) => Promise<unknown>,
  ): Promise<unknown> {
    const {
      timeoutMs = this.#options.commandTimeoutMs ?? 1_000,
      onLate,
      isSentWhenOverdue = false,
    } = options;
    const link = this.#usableLink(isSentWhenOverdue);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    let hasExpired = false;
    let hang: AnswerDeadline | undefined;
    const expire = (): void => {
      hasExpired = true;
      this.#overdue += 1;
      reject(new OutcomeUnknownError(this.name, `no answer to ${what} within ${timeoutMs} ms`));
      hang = new AnswerDeadline(this.#options.hangMs ?? 3_000, () => link.destroy());
    };
    const deadline = new AnswerDeadline(timeoutMs, expire);
    /** @returns whether the deadline had passed */
    const end = (): boolean => {
      this.#inFlight -= 1;
      if (hasExpired) this.#overdue -= 1;
      deadline.clear();
      hang?.clear();
      return hasExpired;
    };
    this.#inFlight += 1;
    work(link, () => hasExpired).then(
      (reply) => (end() ? onLate?.(reply) : resolve(reply)),
      (error: unknown) => (end() ? undefined : reject(this.#translate(what, error))),
    );
    return promise;
  }

  #usableLink(mayBeOverdue: boolean): RedisLink {
    const link = this.#link.get();
    if (this.#overdue > 0 && !mayBeOverdue) {
      throw new StoreUnavailableError(
        this.name,
        `${this.#overdue} earlier commands are past their deadline unanswered`,
      );
    }
    if (this.#inFlight >= MAX_IN_FLIGHT) {
      throw new StoreUnavailableError(this.name, `${MAX_IN_FLIGHT} commands are in flight, the most allowed`);
    }
    return link;
  }

  #translate(what: string, cause: unknown): Error {
    if (cause instanceof ReplyError) {
      return new StoreUnavailableError(this.name, `${what} was refused: ${cause.message}`, cause);
    }
    if (cause instanceof NotSentError) {
      return new StoreUnavailableError(this.name, cause.message, cause);
    }
    return new OutcomeUnknownError(
      this.name,
      `the connection was lost before the answer to ${what}: ${messageOf(cause)}`,
      cause,
    );
  }

  #beat(): void {
    if (!this.isConnected) return;
    this.command('PING', []).catch(() => undefined); // #send has noted the failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.#link[Symbol.asyncDispose]();
  }
}
