import { isAboutStore, MismatchError } from '../../db/store-errors.ts';
import type { Replication } from '../../db/urls/replication.ts';
import type { UrlsReplica } from '../../db/urls/urls-replica.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { REPLICA_BREAKER } from '../../runtime/config/breakers.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { logBreaker } from '../../runtime/log-breaker.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { LinkReads, type Read } from './link-reads.ts';

export interface ReplicaOptions {
  readonly db: UrlsReplica;
  readonly isPrimaryUp: () => boolean;
  /** A replica that is further behind is not used. */
  readonly maxLagMs: number;
  readonly queueLimit: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** A third of the time a look-up may take: the primary must have time to answer afterwards. */
const READ_TIMEOUT_MS = 250;
const POLL_TIMEOUT_MS = 2_000;

/**
 * A read replica of a urls server. It is optional: while it is down, slow, too far behind, or a copy of
 * another server, its primary is read instead.
 */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #breaker: Breaker;
  readonly #reads: LinkReads;
  #isVerified = false;
  #lastReceivingMs = Number.NEGATIVE_INFINITY;
  #complaint = '';

  constructor(options: ReplicaOptions) {
    const { db, queueLimit, now, log } = options;
    this.#options = options;
    const tell = logBreaker(log, 'urls replica: breaker changed', { replica: db.name });
    this.#breaker = new Breaker({
      ...REPLICA_BREAKER,
      now,
      onChanged: (state, cause) => {
        tell(state, cause);
        if (state === 'open') this.#reads.failQueued(new Error(`${db.name} went down`));
      },
    });
    this.#reads = new LinkReads({
      db,
      breaker: this.#breaker,
      timeoutMs: READ_TIMEOUT_MS,
      maxQueued: queueLimit,
      now,
    });
  }

  get name(): string {
    return this.#options.db.name;
  }

  get isUp(): boolean {
    return this.#isVerified && this.#breaker.isClosed;
  }

  read(read: Read): void {
    this.#reads.begin(read);
  }

  /** Opens all connections if it is up. */
  async warmUp(): Promise<void> {
    if (this.isUp) await this.#options.db.warmUp().catch(() => undefined);
  }

  /**
   * Compares keyspace and slots before first use and after every outage, and reads the state of the
   * replication.
   * @throws MismatchError when it is a copy of another server
   */
  async poll(): Promise<void> {
    const wasUp = this.isUp;
    const { name } = this;
    if (!this.#breaker.isClosed && !this.#breaker.tryTrial()) return;
    try {
      this.#judge(
        await this.#breaker.watch(
          async () =>
            withDeadline(name, POLL_TIMEOUT_MS, async () => {
              if (!wasUp) await this.#options.db.verify();
              return this.#options.db.replication();
            }),
          isAboutStore,
        ),
      );
    } catch (error) {
      // If it was up, the breaker decides whether it is down, because a single poll may be lost.
      if (!wasUp || error instanceof MismatchError) this.#complain(messageOf(error));
      if (error instanceof MismatchError) throw error;
    }
  }

  /** {@link poll} for the background. */
  async pollQuietly(): Promise<void> {
    await this.poll().catch(() => undefined);
  }

  #judge(replication: Replication | undefined): void {
    const { maxLagMs, isPrimaryUp, now } = this.#options;
    if (replication === undefined || replication.state === 'running') this.#lastReceivingMs = now();
    const cutOffMs = isPrimaryUp() ? now() - this.#lastReceivingMs : 0;
    this.#complain(complaintAbout(replication, cutOffMs, maxLagMs));
  }

  #complain(complaint: string): void {
    this.#isVerified = complaint === '';
    if (complaint === this.#complaint) return;
    this.#complaint = complaint;
    const { log, db } = this.#options;
    if (complaint === '') log.info({ replica: db.name }, 'urls replica: used');
    else log.warn({ replica: db.name, reason: complaint }, 'urls replica: not used');
  }
}

/**
 * Why a replica must not be used; empty when it may be.
 * @param cutOffMs how long it has been cut off from its primary while this mapper reaches that primary
 */
export function complaintAbout(
  replication: Replication | undefined,
  cutOffMs: number,
  maxLagMs: number,
): string {
  if (replication?.state === 'stopped') return 'its replication has stopped';
  if (replication?.state === 'cut-off' && cutOffMs > maxLagMs)
    return 'it cannot reach its primary, which is up';
  if (replication?.state === 'running' && replication.lagMs > maxLagMs)
    return `it is more than ${Math.floor(maxLagMs / 1_000)} s behind its primary`;
  return '';
}
