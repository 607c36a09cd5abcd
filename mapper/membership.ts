import { join, readMembers } from '../coordinator/membership.ts';
import { mapperPath, PATHS } from '../coordinator/paths.ts';
import { Session } from '../coordinator/session.ts';
import { whyOutOfReach } from '../runtime/admin-address.ts';
import { aborted } from '../runtime/aborted.ts';
import type { ZooKeeperConfig } from '../runtime/config/zookeeper.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import { parseHost, type MapperMember } from '../coordinator/overview/mapper-member.ts';

const RETRY = { baseMs: 250, maxMs: 5_000 };

/**
 * Keeps `/mappers/<id>` in ZooKeeper, in the background. A mapper serves without ZooKeeper too, so nothing
 * waits for this, and its failures are only logged.
 */
export class MapperMembership {
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  #hasWarned = false;

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
        await this.#stayRegistered(session, member, log);
      } catch (error) {
        if (!signal.aborted)
          log.warn({ reason: messageOf(error) }, 'not registered in ZooKeeper; serving without it');
      }
      await pauseQuietly(delayFor(attempt, RETRY), signal);
    }
  }

  async #stayRegistered(session: Session, member: MapperMember, log: Log): Promise<void> {
    const { signal } = this.#stopping;
    try {
      const { joined } = join(session, mapperPath(member.id), member);
      joined
        .then(() => this.#warnIfOutOfReach(session, member, log))
        .catch((error: unknown) => log.debug({ error }, 'hosts of the other members not read'));
      await aborted(AbortSignal.any([signal, session.ended]));
    } finally {
      await session.close();
    }
  }

  /** Producers ask this mapper for its keys. As long as one of them cannot, no leaked key is recycled. */
  async #warnIfOutOfReach(session: Session, member: MapperMember, log: Log): Promise<void> {
    if (this.#hasWarned) return;
    const groups = await Promise.all(
      [PATHS.producers, PATHS.mappers].map((path) => readMembers(session, path, parseHost)),
    );
    const hosts = groups.flatMap(({ members }) => [...members.values()]);
    const reason = hosts.map((host) => whyOutOfReach(member, host)).find((why) => why !== undefined);
    log.debug({ hosts: hosts.length }, 'hosts of the other members read');
    if (reason === undefined) return;
    this.#hasWarned = true;
    log.warn(
      { admin: member.admin },
      `producers on other hosts cannot ask this mapper for its keys, so leaked keys are not recycled: ${reason}`,
    );
  }
}
