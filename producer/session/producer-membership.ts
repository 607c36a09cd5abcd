import { hostname } from 'node:os';
import { join, type Membership } from '../../coordinator/membership.ts';
import { producerPath } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { isoNow } from '../../runtime/clock.ts';
import type { PoolLevels } from '../pools/levels.ts';
import type { AnnouncedMember, ProducerMember } from '../../coordinator/overview/producer-member.ts';

type Watermarks = Pick<ProducerMember, 'low' | 'high'>;

/** This producer's own member node, kept up to date. */
export class ProducerMembership {
  readonly #levels: PoolLevels;
  readonly #fixed: Pick<ProducerMember, 'pid' | 'supervisorPid' | 'host' | 'admin' | 'since'>;
  readonly #membership: Membership;
  #watermarks: Watermarks;
  #published: string;

  constructor(
    session: Session,
    view: AnnouncedMember,
    levels: PoolLevels,
    process: Pick<ProducerMember, 'pid' | 'supervisorPid' | 'admin'>,
  ) {
    this.#levels = levels;
    this.#fixed = { ...process, host: hostname(), since: isoNow() };
    this.#watermarks = this.#readWatermarks();
    const data = this.#dataOf(view);
    this.#published = JSON.stringify(data);
    this.#membership = join(session, producerPath(view.id), data);
  }

  /** Writes the node if the view has changed. Keeps the old watermarks, because they change all the time. */
  update(view: AnnouncedMember): void {
    const data = this.#dataOf(view);
    const text = JSON.stringify(data);
    if (text === this.#published) return;
    this.#published = text;
    this.#membership.update(data);
  }

  /** Like {@link update}, with the current watermarks. */
  updateWatermarks(view: AnnouncedMember): void {
    this.#watermarks = this.#readWatermarks();
    this.update(view);
  }

  #dataOf(view: AnnouncedMember): ProducerMember {
    return { ...view, ...this.#fixed, ...this.#watermarks };
  }

  #readWatermarks(): Watermarks {
    const pools = this.#levels.all();
    return {
      low: Object.fromEntries(pools.map(({ name, low }) => [name, low])),
      high: Object.fromEntries(pools.map(({ name, high }) => [name, high])),
    };
  }
}
