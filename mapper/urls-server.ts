import type { LinkTarget, UrlsDb } from '../db/links.ts';
import { MismatchError, StoreUnavailableError } from '../db/store-errors.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { Batcher } from './batcher.ts';
import { Binder } from './binder.ts';
import { Breaker } from './breaker.ts';

export interface UrlsServerOptions {
  readonly db: UrlsDb;
  readonly siblings: readonly UrlsDb[];
  readonly queueLimit: number;
  readonly onBatch: (rows: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

interface Read {
  readonly key: string;
  readonly askedAtMs: number;
  readonly resolve: (link: LinkTarget | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** From the question to its answer, waiting for others' reads included: a redirect that cannot be told is refused within a second. */
const READ_TIMEOUT_MS = 750;
/** Few: while they are busy misses gather, and a look-up among many in one statement costs a fraction of one alone. */
const READ_LANES = 2;
const MAX_BATCH_KEYS = 256;
const PROBE_TIMEOUT_MS = 750;
const BREAKER = { failures: 2, coolDownMs: 250, maxCoolDownMs: 2_000 };
/** No alias is this short: the look-up costs one index dive and finds nothing. */
const PROBE_KEY = '-';

/**
 * One urls server as the mapper sees it: up or down, rows bound in shared INSERTs, links read in shared SELECTs.
 *
 * It is up once its record of slots has been compared with our map, and while its breaker is closed. When it goes down,
 * everything that still waits for it fails at once. A poll finds out about both; requests never pay for a trial.
 */
export class UrlsServer {
  readonly binder: Binder;
  readonly #options: UrlsServerOptions;
  readonly #breaker: Breaker;
  readonly #reads: Batcher<Read>;
  #isVerified = false;
  #complaint = '';

  constructor(options: UrlsServerOptions) {
    const { db, queueLimit, onBatch, now, log } = options;
    this.#options = options;
    this.#breaker = new Breaker({
      ...BREAKER,
      now,
      onChanged: (state) => {
        if (state !== 'half-open') log.warn({ urlsDb: db.name, state }, 'urls server: breaker changed');
        if (state === 'open') this.#failQueued();
      },
    });
    this.binder = new Binder({ urlsDb: db, breaker: this.#breaker, queueLimit, onBatch, now });
    this.#reads = new Batcher({
      maxBatch: MAX_BATCH_KEYS,
      maxInFlight: READ_LANES,
      maxQueued: queueLimit,
      run: async (reads) => this.#readAll(reads),
    });
  }

  get name(): string {
    return this.#options.db.name;
  }

  get isUp(): boolean {
    return this.#isVerified && this.#breaker.isClosed;
  }

  /** The link as the primary has it now. @throws StoreUnavailableError */
  async find(key: string): Promise<LinkTarget | undefined> {
    if (!this.isUp) throw new StoreUnavailableError(this.name, 'it is down');
    return new Promise((resolve, reject) => {
      if (this.#reads.tryAdd({ key, askedAtMs: this.#options.now(), resolve, reject })) return;
      reject(new StoreUnavailableError(this.name, 'too many reads wait for it'));
    });
  }

  /** Which of `keys` are bound. A server that is down knows of none. */
  async existing(keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (!this.isUp) return new Set();
    return this.#reported(async () => this.#options.db.existing(keys));
  }

  /**
   * Compares slots, before first use and after every absence; pings otherwise.
   * @throws MismatchError when the server records other slots than our map gives it
   */
  async poll(): Promise<void> {
    const { db, siblings } = this.#options;
    if (!this.#breaker.isClosed && !this.#breaker.tryTrial()) return;
    try {
      if (this.isUp) await this.#reported(async () => db.find([PROBE_KEY], { timeoutMs: PROBE_TIMEOUT_MS }));
      else await this.#reported(async () => db.verifySlots(siblings));
      this.#isVerified = true;
    } catch (error) {
      if (error instanceof MismatchError) throw error;
      this.#options.log.debug({ urlsDb: this.name, reason: messageOf(error) }, 'urls server does not answer');
    }
  }

  /** Opens all connections beforehand, if it is up: the first requests of a new mapper would pay for them. */
  async warmUp(): Promise<void> {
    if (this.isUp) await this.#options.db.warmUp().catch(() => undefined);
  }

  /**
   * {@link poll} for the background. A server that contradicts our map, or has lost its tables, is not used until it
   * agrees again; the others go on, so it is no reason to end the process.
   */
  async pollQuietly(): Promise<void> {
    try {
      await this.poll();
    } catch (error) {
      this.#isVerified = false;
      if (messageOf(error) !== this.#complaint) {
        this.#options.log.error({ error, urlsDb: this.name }, 'urls server contradicts us: not used');
      }
      this.#complaint = messageOf(error);
    }
  }

  async #readAll(reads: Read[]): Promise<void> {
    try {
      const keys = reads.map(({ key }) => key);
      // The queue is in order: what the first has left is all that this read may take.
      const waitedMs = this.#options.now() - (reads[0]?.askedAtMs ?? 0);
      const timeoutMs = Math.max(1, READ_TIMEOUT_MS - waitedMs);
      const links = await this.#reported(async () => this.#options.db.findTargets(keys, { timeoutMs }));
      const byKey = new Map(links.map((link) => [link.key, link]));
      for (const { key, resolve } of reads) resolve(byKey.get(key));
    } catch (error) {
      const reason =
        error instanceof MismatchError ? new StoreUnavailableError(this.name, error.message, error) : error;
      for (const { reject } of reads) reject(reason as Error);
    }
  }

  /** Any answer is a sign of life; only silence and refusal count against the server. */
  async #reported<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.#breaker.succeeded();
      return result;
    } catch (error) {
      this.#breaker.failed();
      throw error;
    }
  }

  #failQueued(): void {
    const error = new StoreUnavailableError(this.name, 'it went down');
    for (const { reject } of this.#reads.removeQueued()) reject(error);
    this.binder.failQueued();
  }
}
