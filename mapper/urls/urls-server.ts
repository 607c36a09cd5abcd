import { isAboutStore, MismatchError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { ReservationsDb } from '../../db/reservations/reservations-db.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import type { VisitsDb } from '../../db/urls/visits.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { URLS_SERVER_BREAKER } from '../../runtime/config/breakers.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { logBreaker } from '../../runtime/log-breaker.ts';
import { LinkReads, type Read } from './link-reads.ts';
import type { Replica } from './replica.ts';
import { UrlsWrites, type RowKind } from './urls-writes.ts';

export interface UrlsServerOptions {
  readonly db: UrlsDb;
  /** The same server, for links with an owner. */
  readonly ownLinks: OwnLinksDb;
  /** The same server, for reservations. */
  readonly reservations: ReservationsDb;
  /** The same server, for links with a limited number of visits. */
  readonly visits: VisitsDb;
  readonly siblings: readonly UrlsDb[];
  /** Opens its replicas, which depend on whether it is up. */
  readonly openReplicas: (isPrimaryUp: () => boolean) => readonly Replica[];
  readonly queueLimit: number;
  readonly onBatch: (rows: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/**
 * From the request for a read to its answer, time in the queue included: a redirect is answered or refused
 * within a second.
 */
const READ_TIMEOUT_MS = 750;
const PROBE_TIMEOUT_MS = 750;
/** No alias is this short, so the look-up costs one index dive and finds nothing. */
const PROBE_KEY = '-';

/**
 * A urls server: up or down, and while it is up, writable or not. Rows are bound by shared INSERTs, links are
 * read by shared SELECTs.
 *
 * It is up once its record of slots has been compared with the configured map, and while the breaker of its
 * reads is closed. It is writable while it is up and its {@link UrlsWrites} take rows. So a server that only
 * reads still serves its redirects, and one whose writes hang gets no new links. What waits for a server that
 * goes down fails immediately. The polls make the trials; no request is spent on one.
 */
export class UrlsServer {
  readonly writes: UrlsWrites;
  readonly replicas: readonly Replica[];
  readonly #options: UrlsServerOptions;
  readonly #breaker: Breaker;
  readonly #reads: LinkReads;
  #lastReplica = 0;
  #isVerified = false;
  #complaint = '';
  /** Undefined: nobody knows yet. */
  #hasForeignCodes: boolean | undefined;

  constructor(options: UrlsServerOptions) {
    const { db, ownLinks, queueLimit, onBatch, now, log } = options;
    this.#options = options;
    const tell = logBreaker(log, 'urls server: breaker changed', { urlsDb: db.name });
    this.#breaker = new Breaker({
      ...URLS_SERVER_BREAKER,
      now,
      onChanged: (state, cause) => {
        tell(state, cause);
        if (state === 'open') this.#failQueued();
      },
    });
    const isReadable = (): boolean => this.isUp;
    this.writes = new UrlsWrites({ db, ownLinks, queueLimit, onBatch, isReadable, now, log });
    this.#reads = new LinkReads({
      db,
      breaker: this.#breaker,
      timeoutMs: READ_TIMEOUT_MS,
      maxQueued: queueLimit,
      now,
    });
    this.replicas = options.openReplicas(() => this.isUp);
  }

  get name(): string {
    return this.#options.db.name;
  }

  /** The links of its slots as their owners see them. */
  get ownLinks(): OwnLinksDb {
    return this.#options.ownLinks;
  }

  /**
   * Lets all mappers look up codes of other shorteners here, within a second.
   * @throws StoreUnavailableError, OutcomeUnknownError: repeat it
   */
  async recordForeignCodes(): Promise<void> {
    await this.#options.db.recordForeignCodes();
    this.#hasForeignCodes = true;
  }

  /** The reservations of its slots. */
  get reservations(): ReservationsDb {
    return this.#options.reservations;
  }

  /** The visits of links of its slots. */
  get visits(): VisitsDb {
    return this.#options.visits;
  }

  /** Whether it answers reads. */
  get isUp(): boolean {
    return this.#isVerified && this.#breaker.isClosed;
  }

  /** Whether it answers and contradicts the configuration, so that it is not used. */
  get isRefused(): boolean {
    return this.#complaint !== '';
  }

  /** Whether it takes new links of nobody, and changes. */
  get isWritable(): boolean {
    return this.takes('plain');
  }

  /** Whether it takes new links. They must be readable too, because they are followed at once. */
  takes(kind: RowKind): boolean {
    return this.isUp && this.writes[kind].isTaken;
  }

  /**
   * Looks a link up on a replica, or else on the primary. A link that the replica does not have is looked up
   * on the primary.
   */
  read(read: Read): void {
    const replica = this.#nextReplica();
    if (replica === undefined) {
      this.readPrimary(read);
      return;
    }
    replica.read({
      key: read.key,
      askedAtMs: read.askedAtMs,
      found: (link) => (link === undefined ? this.readPrimary(read) : read.found(link)),
      failed: () => this.readPrimary(read),
    });
  }

  /** Looks a link up on the primary. */
  readPrimary(read: Read): void {
    if (this.isUp) this.#reads.begin(read);
    else read.failed(new StoreUnavailableError(this.name, 'it is down'));
  }

  /** Which of `keys` are bound; none while the server is down. */
  async existing(keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (!this.isUp) return new Set();
    return this.#breaker.watch(async () => this.#options.db.existing(keys), isAboutStore);
  }

  /**
   * Reads one key. Before that, compares keyspace and slots, before first use and after every outage.
   * @throws MismatchError when the server records another keyspace, or other slots than the configured map
   *   gives it
   */
  async poll(): Promise<void> {
    const { db, siblings } = this.#options;
    if (!this.#breaker.isClosed && !this.#breaker.tryTrial()) return;
    const { isUp } = this;
    try {
      await this.#breaker.watch(async () => {
        if (!isUp) await db.verifySlots(siblings);
        await db.find([PROBE_KEY], { timeoutMs: PROBE_TIMEOUT_MS });
      }, isAboutStore);
      this.#isVerified = true;
      this.#complaint = '';
    } catch (error) {
      if (error instanceof MismatchError) throw error;
      this.#options.log.debug({ urlsDb: this.name, reason: messageOf(error) }, 'urls server does not answer');
    }
  }

  /** Whether there may be links with codes of other shorteners. */
  get mayHaveForeignCodes(): boolean {
    return this.#hasForeignCodes !== false;
  }

  /**
   * Repeatedly called: looks whether such codes have been stored. Once they have, that stays. Never rejects.
   */
  async lookForForeignCodes(): Promise<void> {
    if (!this.isUp || this.#hasForeignCodes === true) return;
    const { db, log } = this.#options;
    try {
      this.#hasForeignCodes = await db.hasForeignCodes({ timeoutMs: PROBE_TIMEOUT_MS });
    } catch (error) {
      log.debug({ urlsDb: this.name, reason: messageOf(error) }, 'foreign codes: not known');
    }
  }

  /** Opens all connections if it is up, so that the first requests of a new mapper need not wait for them. */
  async warmUp(): Promise<void> {
    if (this.isUp) await this.#options.db.warmUp().catch(() => undefined);
  }

  /**
   * {@link poll} for the background. A server that contradicts the map, or has lost its tables, is not used
   * until it agrees again. The process continues with the other servers.
   */
  async pollQuietly(): Promise<void> {
    try {
      await this.poll();
    } catch (error) {
      this.#isVerified = false;
      if (messageOf(error) !== this.#complaint) {
        this.#options.log.error(
          { error, urlsDb: this.name },
          'urls server contradicts the configuration: not used',
        );
      }
      this.#complaint = messageOf(error);
    }
  }

  /** The replicas that are up take turns. */
  #nextReplica(): Replica | undefined {
    const { replicas } = this;
    for (let tried = 0; tried < replicas.length; tried += 1) {
      this.#lastReplica = (this.#lastReplica + 1) % replicas.length;
      const replica = replicas[this.#lastReplica];
      if (replica?.isUp) return replica;
    }
    return undefined;
  }

  #failQueued(): void {
    const error = new StoreUnavailableError(this.name, 'it went down');
    this.#reads.failQueued(error);
    this.writes.failQueued();
  }
}
