import { setImmediate as nextTurn } from 'node:timers/promises';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { until } from '../until.ts';

/** A faulty proxy in front of the server of `url`, on `port` if one is given. */
export async function startWire(url: string, port = 0): Promise<FaultyProxy> {
  const { hostname, port: target } = new URL(url);
  const start = async (): Promise<FaultyProxy> =>
    FaultyProxy.start({ host: hostname, port: Number(target) }, port);
  // A client of any other server may leave from this port meanwhile.
  return port === 0 ? start() : until(`port ${port}`, start);
}

/** `url` through the proxy. */
export function through(wire: FaultyProxy, url: string): string {
  const parsed = new URL(url);
  parsed.host = `127.0.0.1:${wire.port}`;
  return parsed.href;
}

/** The server executes the next statement, and its answer is lost with the connection. */
export function loseNextAnswer(wire: FaultyProxy): void {
  wire.cutAfter(0);
}

/** The statement of `send` is lost with the connection: the server never receives it. */
export async function loseRequest<T>(wire: FaultyProxy, send: () => Promise<T>): Promise<T> {
  wire.silence();
  const outcome = send();
  await nextTurn();
  await nextTurn();
  wire.cut();
  wire.heal();
  return outcome;
}
