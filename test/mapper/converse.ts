import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

/** Bytes that a client sends in one write. */
export interface Step {
  readonly bytes: Buffer;
  /**
   * What the client waits for before it sends them: so many turns of the event loop, in which a server of
   * this process reads what was sent before; or that something has come since the last step. The first step
   * waits for nothing.
   */
  readonly after: number | 'answer';
}

export interface ConverseOptions {
  /**
   * How long nothing may come before the client sends its next step, or FIN after the last. A request that
   * never ends is ended by it.
   */
  readonly quietMs?: number;
  /** Whether the client sends FIN immediately after its last step. */
  readonly endsEarly?: boolean;
  /** How long the server may take to close a connection whose client has sent FIN. */
  readonly closeMs?: number;
}

/** In the text that {@link converse} returns: the server has not closed the connection in time. */
export const STILL_OPEN = '<the connection is still open>';

/**
 * In the same text: the server has closed the connection with bytes of ours unread, and answers on their way
 * may be lost.
 */
export const RESET = '<the connection was reset>';

/**
 * Sends bytes step by step on one connection, and then FIN when the server does not close it. Sends nothing
 * more when an answer says that it closes the connection: what is sent to a closed connection can destroy an
 * answer that is still on its way.
 * @returns all that has come until the server closed the connection
 */
export async function converse(
  port: number,
  steps: readonly Step[],
  { quietMs = 300, endsEarly = false, closeMs = 5_000 }: ConverseOptions = {},
): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
  let received = '';
  let isOver = false;
  let isSent = false;
  let goOn: (() => void) | undefined;
  const onQuiet = (): void => {
    if (!isSent) goOn?.();
    else {
      isOver = true;
      socket.end();
      clearTimeout(timer);
      timer = setTimeout(() => {
        received += STILL_OPEN;
        socket.destroy();
      }, closeMs);
    }
  };
  // Refreshed by each event, which costs less than a new timer for each. A loop that was held up runs timers
  // before it reads what has come meanwhile.
  let timer = setTimeout(() => {
    const lengthThen = received.length;
    setImmediate(() => {
      if (isOver) return;
      if (received.length === lengthThen) onQuiet();
      else timer.refresh();
    });
  }, quietMs);
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    received += text;
    timer.refresh();
    goOn?.();
  });
  socket.on('end', () => {
    isOver = true;
    socket.end();
    goOn?.();
  });
  socket.on('error', () => (received += RESET));
  socket.on('close', () => {
    isOver = true;
    clearTimeout(timer);
    goOn?.();
    onClosed();
  });
  let seen = 0;
  for (const [index, { bytes, after }] of steps.entries()) {
    if (after !== 'answer') for (let turns = after; turns > 0; turns -= 1) await turn();
    else if (index > 0 && received.length === seen && !isOver)
      await new Promise<void>((resolve) => (goOn = resolve));
    if (isOver || CLOSES.test(received.slice(seen))) break;
    seen = received.length;
    socket.write(bytes);
    timer.refresh();
  }
  isSent = true;
  if (endsEarly && !isOver) onQuiet();
  await closed;
  return received;
}

const CLOSES = /^connection: close\r$/im;
