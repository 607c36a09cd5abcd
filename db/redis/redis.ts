import { Redis } from 'ioredis';
import { withDeadline } from '../../runtime/retry.ts';

/**
 * One connection to one Redis server, for as long as it lasts: the only file that imports the driver.
 *
 * The driver is not trusted with recovery. Its own reconnect is off, because in ioredis 6.0.0 a command in flight when
 * the connection drops is never settled once it has reconnected with `autoResendUnfulfilledCommands: false`
 * (redis/ioredis#2193), and with `true` a take would be sent twice. Nothing is queued while offline. A connection that
 * ends is over; {@link openRedis} in redis-client.ts makes the next one.
 */
export interface RedisLink {
  /** Sends at once. Rejects with {@link ReplyError}, with {@link NotSentError}, or, when the connection ended first, with the driver's error. */
  send(command: string, args: readonly (string | number)[]): Promise<unknown>;
  /** Resolves, with the reason if there is one, when the connection has ended for whatever reason. */
  readonly closed: Promise<Error | undefined>;
  /** Ends the connection now, without a farewell. */
  destroy(): void;
}

/** Redis answered with an error: the command was not executed. `code` is the first word: OOM, READONLY, NOSCRIPT, … */
export class ReplyError extends Error {
  readonly code: string;

  constructor(message: string) {
    super(message.replace(/ script: [0-9a-f]{40}, on @.*$/, ''));
    this.name = 'ReplyError';
    this.code = message.split(' ', 1)[0] ?? '';
  }
}

/** The command never left this process. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

export interface ConnectOptions {
  readonly name: string;
  /** For everything until the server has answered a PING: TCP, authentication, SELECT. A server that accepts and hangs counts as down. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Receives what is published on channels subscribed to through this link. */
  readonly onMessage?: (message: string) => void;
}

/** Connects, authenticates, selects the database and proves with a PING that the server serves. Rejects with the reason. */
export async function connectRedis(url: string, options: ConnectOptions): Promise<RedisLink> {
  const client = new Redis(withoutQuery(url), {
    protocol: 2,
    lazyConnect: true,
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false, // a PING says the same, and says LOADING
    disableClientInfo: true,
    connectTimeout: options.deadlineMs,
  });
  let reason: Error | undefined;
  // The last one tells most: with a wrong password first SELECT fails (NOAUTH), and then AUTH says why.
  client.on('error', (error: Error) => {
    reason = error;
  });
  if (options.onMessage !== undefined)
    client.on('message', (_channel, message) => options.onMessage?.(message));
  const closed = new Promise<Error | undefined>((resolve) => client.once('end', () => resolve(reason)));
  const destroy = (): void => {
    client.disconnect();
    // disconnect() alone says goodbye first and waits 2 s for the other side: too polite for a hung server.
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
    // A refused SELECT is only reported as an event; going on would use database 0.
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
    // A copy: the driver's error holds on to all arguments, for a delivery a whole batch of keys.
    if (error instanceof Error && error.name === 'ReplyError') throw new ReplyError(error.message);
    throw error;
  }
}

/** Options in the query string would win over ours in ioredis. */
function withoutQuery(url: string): string {
  const parsed = new URL(url);
  parsed.search = '';
  return parsed.href;
}
