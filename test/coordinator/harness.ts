import { parseConnectString } from '../../coordinator/connect-string.ts';
import { Session } from '../../coordinator/session.ts';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { createLog } from '../../runtime/log.ts';
import { testZooKeeper } from '../servers.ts';
import { until } from '../until.ts';

/** The session timeout T of all these tests. Waits are multiples of it. */
export const T = 1500;

export const log = createLog('test', 'coordinator', 'silent');

/** The test ensemble, with a faulty proxy in front of each server. `stop` closes all sessions. */
export class Harness {
  readonly direct: string;
  readonly connect: string;
  readonly proxies: readonly FaultyProxy[];
  readonly #sessions: Session[] = [];

  static async start(): Promise<Harness> {
    const { connect } = await testZooKeeper();
    const { servers, chroot } = parseConnectString(connect);
    const proxies = await Promise.all(servers.map(async (server) => FaultyProxy.start(server)));
    return new Harness(connect, proxies, chroot);
  }

  private constructor(direct: string, proxies: FaultyProxy[], chroot: string) {
    this.direct = direct;
    this.proxies = proxies;
    this.connect = `${proxies.map(({ port }) => `127.0.0.1:${port}`).join(',')}${chroot}`;
  }

  /** A session through the proxies. */
  async open(connect: string = this.connect): Promise<Session> {
    const session = await Session.open({ connect, timeoutMs: T, log });
    this.#sessions.push(session);
    return session;
  }

  /** A session without proxies, which no fault reaches. */
  async openDirect(): Promise<Session> {
    return this.open(this.direct);
  }

  /** Waits until every server knows a node: one that is behind may be the first that a session asks. */
  async untilEverywhere(path: string): Promise<void> {
    const untilAt = async (proxy: FaultyProxy): Promise<void> => {
      const session = await this.open(this.connectOnlyTo(proxy));
      await until(`${path} to be everywhere`, async () => (await session.exists(path)) !== undefined);
      await session.close();
    };
    await Promise.all(this.proxies.map(untilAt));
  }

  /** The proxy that carries this session at the moment. */
  proxyOf(session: Session): FaultyProxy {
    const proxy = this.proxies.find(({ port }) => port === session.server.port);
    if (proxy === undefined) throw new Error('this session goes past the proxies');
    return proxy;
  }

  each(verb: (proxy: FaultyProxy) => void): void {
    for (const proxy of this.proxies) verb(proxy);
  }

  /** A connect string with this proxy alone, so that a session has no other server. */
  connectOnlyTo(proxy: FaultyProxy): string {
    return `127.0.0.1:${proxy.port}${this.connect.slice(this.connect.indexOf('/'))}`;
  }

  async stop(): Promise<void> {
    this.each((proxy) => proxy.heal());
    await Promise.all(this.#sessions.map(async (session) => session.close()));
    await Promise.all(this.proxies.map(async (proxy) => proxy.stop()));
  }
}

/** Waits until the session is connected again, over a newer connection than `attachments`. */
export async function reattached(session: Session, attachments: number): Promise<void> {
  await until(
    'the session to be attached again',
    () => session.state === 'connected' && session.attachments > attachments,
  );
}
