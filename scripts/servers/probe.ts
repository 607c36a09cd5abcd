import { connect } from 'node:net';

/**
 * Connects to a port, sends `request`, and resolves with the answer as soon as `isEnough` accepts what has
 * arrived. Undefined when the port refuses the connection, closes it early, or `timeoutMs` pass.
 */
export async function ask(
  port: number,
  request: string,
  isEnough: (answer: string) => boolean,
  { timeoutMs = 500, host = '127.0.0.1' }: { timeoutMs?: number; host?: string } = {},
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ port, host });
  let answer = '';
  const finish = (result: string | undefined): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve(result);
  };
  const timer = setTimeout(() => finish(undefined), timeoutMs);
  socket.once('connect', () => socket.write(request));
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
    if (isEnough(answer)) finish(answer);
  });
  socket.once('error', () => finish(undefined));
  socket.once('close', () => finish(undefined));
  return promise;
}
