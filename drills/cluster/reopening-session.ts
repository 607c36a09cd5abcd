import { Session, type SessionOptions } from '../../coordinator/session.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { delayFor, pauseQuietly } from '../../runtime/retry.ts';

const TIMEOUT_MS = 4_000;
const RETRY = { baseMs: 50, maxMs: 500 };

/**
 * A ZooKeeper session that opens again after its end. A drill may delete the data of the ensemble. In a
 * small cluster, which has no ZooKeeper, there is no session.
 */
export class ReopeningSession {
  readonly #options: SessionOptions;
  readonly #closing = new AbortController();
  readonly #users = new Set<{ use: (session: Session) => Disposable; using: Disposable }>();
  #session: Session | undefined;

  static async open({
    connect,
    auth,
  }: {
    connect: string;
    auth?: string | undefined;
  }): Promise<ReopeningSession> {
    const options = { connect, auth, timeoutMs: TIMEOUT_MS, log: QUIET_LOG };
    return new ReopeningSession(options, connect === '' ? undefined : await Session.open(options));
  }

  private constructor(options: SessionOptions, session: Session | undefined) {
    this.#options = options;
    this.#session = session;
    if (session !== undefined) this.#follow(session);
  }

  /** @throws UsageError in a cluster without ZooKeeper */
  get current(): Session {
    if (this.#session === undefined) throw new UsageError('this cluster has no ZooKeeper');
    return this.#session;
  }

  /**
   * Calls `use` with the current session, and with each later one after its predecessor has ended. Disposes
   * what `use` returned before the next call, and when the caller disposes the result.
   */
  use(use: (session: Session) => Disposable): Disposable {
    const user = { use, using: use(this.current) };
    this.#users.add(user);
    return {
      [Symbol.dispose]: () => {
        this.#users.delete(user);
        user.using[Symbol.dispose]();
      },
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#session?.close();
  }

  #follow(session: Session): void {
    session.ended.addEventListener('abort', () => void this.#reopen(), { once: true });
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        this.#session = await Session.open({ ...this.#options, signal });
        this.#follow(this.#session);
        break;
      } catch {
        await pauseQuietly(delayFor(attempt, RETRY), signal);
      }
    }
    if (signal.aborted) return;
    for (const user of this.#users) {
      user.using[Symbol.dispose]();
      user.using = user.use(this.current);
    }
  }
}
