import { join } from '../coordinator/membership.ts';
import { mapperPath } from '../coordinator/paths.ts';
import { Session } from '../coordinator/session.ts';
import { aborted } from '../runtime/aborted.ts';
import type { ZooKeeperConfig } from '../runtime/config/config.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import type { MapperMember } from './member.ts';

const RETRY = { baseMs: 250, maxMs: 5_000 };

/**
 * Keeps `/mappers/<id>` in ZooKeeper, in the background. A mapper serves without ZooKeeper too, so nothing
 * waits for this, and its failures are only logged.
 */
export class MapperMembership {
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(zookeeper: ZooKeeperConfig, member: MapperMember, log: Log) {
    this.#running = this.#run(zookeeper, member, log);
  }

  /** Closes the session, which removes the node immediately. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(
    { connect, auth, sessionTimeoutMs: timeoutMs }: ZooKeeperConfig,
    member: MapperMember,
    log: Log,
  ): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const session = await Session.open({ connect, timeoutMs, auth, log, signal });
        attempt = 0;
        await this.#stayRegistered(session, member);
      } catch (error) {
        if (!signal.aborted)
          log.warn({ reason: messageOf(error) }, 'not registered in ZooKeeper; serving without it');
      }
      await pauseQuietly(delayFor(attempt, RETRY), signal);
    }
  }

  async #stayRegistered(session: Session, member: MapperMember): Promise<void> {
    const { signal } = this.#stopping;
    try {
      join(session, mapperPath(member.id), member);
      await aborted(AbortSignal.any([signal, session.ended]));
    } finally {
      await session.close();
    }
  }
}
