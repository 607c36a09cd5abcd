import { isCoordinationError } from '../../coordinator/errors.ts';
import { Session, type SessionOptions } from '../../coordinator/session.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { delayFor, pauseQuietly } from '../../runtime/retry.ts';

const TIMEOUT_MS = 4_000;
const RETRY = { baseMs: 50, maxMs: 500 };
/** A machine that is so busy that a drill loses its session has another one in some seconds. */
const READ_TIMEOUT_MS = 30_000;

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

  /**
   * Reads. While there is no connection it waits: the process of a drill may be stopped too, by a busy
   * machine, and its session is then suspended or ends.
   * @param read is repeated. Errors that say something about the nodes are thrown
   */
  async read<T>(read: (session: Session) => Promise<T>): Promise<T> {
    const deadline = performance.now() + READ_TIMEOUT_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        return await read(this.current);
      } catch (error) {
        const isLost = isCoordinationError(error, 'NOT_CONNECTED', 'OUTCOME_UNKNOWN', 'SESSION_EXPIRED');
        if (!isLost || performance.now() > deadline || this.#closing.signal.aborted) throw error;
        await pauseQuietly(delayFor(attempt, RETRY), this.#closing.signal);
      }
    }
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
