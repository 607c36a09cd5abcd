import { Redis } from 'ioredis';
import { withDeadline } from '../../runtime/retry.ts';

/**
 * One connection to one Redis server, until it ends. The only file that imports the driver.
 *
 * The driver does not reconnect. In ioredis 6.0.0, a command in flight when the connection drops never
 * resolves or rejects after a reconnect with `autoResendUnfulfilledCommands: false` (redis/ioredis#2193), and
 * with `true` a take would be sent twice. The driver queues no command while offline. reconnecting-link.ts
 * makes the next connection.
 */
export interface RedisLink {
  /**
   * Sends immediately. Rejects with {@link ReplyError}, with {@link NotSentError}, or with the driver's error
   * when the connection ended first.
   */
  send(command: string, args: readonly (string | number)[]): Promise<unknown>;
  /** Resolves when the connection has ended, with the reason if one is known. */
  readonly closed: Promise<Error | undefined>;
  /** Ends the connection immediately, without waiting for the server. */
  destroy(): void;
}

/**
 * Redis answered with an error: the command was not executed. `code` is its first word: OOM, READONLY,
 * NOSCRIPT, …
 */
export class ReplyError extends Error {
  readonly code: string;

  constructor(message: string) {
    super(message.replace(/ script: [0-9a-f]{40}, on @.*$/, ''));
    this.name = 'ReplyError';
    this.code = message.split(' ', 1)[0] ?? '';
  }
}

/** The command was never sent. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

export interface ConnectOptions {
  readonly name: string;
  /**
   * Until the server has answered a PING: TCP, authentication and SELECT together. A server that accepts a
   * connection and hangs counts as down.
   */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Receives the messages of channels that this link subscribes to. */
  readonly onMessage?: (channel: string, message: string) => void;
}

/**
 * Connects, authenticates, selects the database and checks with a PING that the server answers. Rejects with
 * the reason.
 */
export async function connectRedis(url: string, options: ConnectOptions): Promise<RedisLink> {
  const client = new Redis(withoutQuery(url), {
    protocol: 2,
    lazyConnect: true,
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false, // a PING checks the same, and reports LOADING
    disableClientInfo: true,
    connectTimeout: options.deadlineMs,
  });
  let reason: Error | undefined;
  // The last error is the most precise: with a wrong password SELECT fails first (NOAUTH), and then AUTH with
  // the reason.
  client.on('error', (error: Error) => {
    reason = error;
  });
  if (options.onMessage !== undefined)
    client.on('message', (channel, message) => options.onMessage?.(channel, message));
  const closed = new Promise<Error | undefined>((resolve) => client.once('end', () => resolve(reason)));
  const destroy = (): void => {
    client.disconnect();
    // disconnect() alone half-closes the socket and waits 2 s for the server, which may hang.
    (client.stream as typeof client.stream | undefined)?.destroy();
  };
  const link: RedisLink = { send: async (command, args) => send(client, command, args), closed, destroy };
  try {
    await withDeadline(
      `connecting to ${options.name}`,
      options.deadlineMs,
      () => handshake(client, link),
      options.signal,
    );
    // A refused SELECT is only reported as an event. Without this check we would use database 0.
    if (reason !== undefined) throw reason;
    return link;
  } catch (error) {
    destroy();
    throw reason ?? error;
  }
}

async function handshake(client: Redis, link: RedisLink): Promise<void> {
  await client.connect();
  await link.send('PING', []);
}

async function send(client: Redis, command: string, args: readonly (string | number)[]): Promise<unknown> {
  if (client.status !== 'ready' || !client.stream.writable)
    throw new NotSentError('the connection has ended');
  try {
    const request = new Redis.Command(command.toLowerCase(), [...args], { replyEncoding: 'utf8' });
    return await client.sendCommand(request);
  } catch (error) {
    // A copy, because the driver's error keeps all arguments: for a delivery a whole batch of keys.
    if (error instanceof Error && error.name === 'ReplyError') throw new ReplyError(error.message);
    throw error;
  }
}

/** Without the query string, because ioredis lets options in it override ours. */
function withoutQuery(url: string): string {
  const parsed = new URL(url);
  parsed.search = '';
  return parsed.href;
}
