import type { Loss } from '../db/keys-db/deliveries.ts';
import type { Pool, DeliveryReply } from '../db/redis/pool.ts';
import { FencedError, fenced } from '../db/store-errors.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import { Bell } from './bell.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

/** What one pool gets of one batch. */
export interface Part {
  /** Counted per keys-db and pool. */
  readonly seq: number;
  readonly keys: readonly string[];
  /** Goes only when the pool has room for it. */
  readonly waitsForRoom: boolean;
  /** Called once, when the pool has it. */
  readonly onDelivered: () => void;
}

export interface LaneOptions {
  readonly pool: Pool;
  readonly shard: string;
  readonly epoch: number;
  /** Highest seq ever assigned for this pool, by the keys-db. */
  readonly lastSeq: number;
  readonly gate: WriteGate;
  readonly log: Log;
  /** Brings claimed parts that are not in hand into the lanes. */
  readonly adoptPending: () => Promise<void>;
  /** Records in the keys-db that this pool lost these parts; resolves when that is durable. */
  readonly recordLoss: (loss: Loss) => Promise<void>;
  readonly onReply: (result: DeliveryReply['result'], level: number, keys: number) => void;
  /** Whether the pool can do with so many keys more. */
  readonly hasRoom: (keys: number) => boolean;
}

const BACKOFF = { baseMs: 50, maxMs: 1_000 };
const IDLE_MS = 1_000;
/** How often a part that waits for room looks whether there is some. */
const ROOM_MS = 100;
/** A delivery takes milliseconds; a pool that lets one wait this long must not hold up the others. */
const HANG_MS = 300;

/**
 * One pool's deliveries during one reign: strictly in seq order, independent of every other pool.
 *
 * detached → (reads seq, raises the epoch) → attached → delivers the head of its queue again and again.
 * Any failure detaches: the pool may come back another one, flushed or older. What cannot be delivered stays queued and
 * delays nobody else; an unhealthy lane is no target for new batches, so its queue is bounded.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #bell = new Bell();
  readonly #queue: Part[] = [];
  #attached = false;
  #raised = false;
  #failures = 0;
  #incarnation = '';
  #assigned: number;
  #queuedKeys = 0;
  /** When the delivery under way was sent. */
  #sentAtMs: number | undefined;
  /** Claimed for this pool, rows not yet read: seq → about how many keys. */
  readonly #announced = new Map<number, number>();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#assigned = options.lastSeq;
  }

  /** Attached, answering, nothing failed since: may be the target of new batches. */
  get healthy(): boolean {
    const hangs = monotonicMs() - (this.#sentAtMs ?? Infinity) > HANG_MS;
    return this.#attached && this.#failures === 0 && this.#options.pool.isConnected && !hangs;
  }

  /** Healthy, and not held up by a part that waits for room. */
  get moves(): boolean {
    return this.healthy && !this.#waitsForRoom;
  }

  /** Keys claimed for this pool and not yet in it. */
  get queuedKeys(): number {
    return [...this.#announced.values()].reduce((sum, keys) => sum + keys, this.#queuedKeys);
  }

  /** Number of the next part. Known only once attached: Redis may be ahead of a keys-db restored from a backup. */
  get nextSeq(): number {
    return this.#assigned + 1;
  }

  /** A part with this number is claimed; its rows, some `aboutKeys`, are being read. */
  announce(seq: number, aboutKeys: number): void {
    this.#assigned = Math.max(this.#assigned, seq);
    this.#announced.set(seq, aboutKeys);
  }

  /** Takes a claimed part over, in its place by seq. */
  enqueue(part: Part): void {
    this.#assigned = Math.max(this.#assigned, part.seq);
    this.#announced.delete(part.seq);
    const later = this.#queue.findIndex((queued) => queued.seq > part.seq);
    this.#queue.splice(later < 0 ? this.#queue.length : later, 0, part);
    this.#queuedKeys += part.keys.length;
    this.#bell.ring();
  }

  /**
   * Reads what the pool has stored for this keys-db and announces the epoch to it.
   *
   * @throws FencedError if the pool knows a later reign, or this very epoch number from an earlier one (a keys-db
   * restored from a backup counts again): the reign must end, and the next one begins above it
   */
  async attach(): Promise<void> {
    const { pool, shard, epoch } = this.#options;
    const before = await pool.producerState(shard);
    if (before.epoch > epoch || (before.epoch === epoch && !this.#raised)) throw fenced(pool, epoch);
    this.#raised = true;
    const raised = await pool.raiseEpoch(shard, epoch);
    if (raised.result === 'fenced') throw fenced(pool, epoch);
    this.#incarnation = raised.incarnation;
    this.#assigned = Math.max(this.#assigned, raised.seq);
    this.#attached = true;
    this.#failures = 0;
  }

  /**
   * Delivers until aborted.
   *
   * @throws FencedError from any store: the reign is over
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await whenWritable(this.#options.gate, signal);
      if (signal.aborted) return;
      try {
        if (!this.#attached) await this.attach();
        const [head] = this.#queue;
        if (head === undefined) await this.#bell.wait(IDLE_MS, signal);
        else if (this.#waitsForRoom) await this.#bell.wait(ROOM_MS, signal);
        else await this.#deliver(head);
      } catch (error) {
        if (error instanceof FencedError) throw error;
        await this.#backOff(error, signal);
      }
    }
  }

  get #waitsForRoom(): boolean {
    const [head] = this.#queue;
    return head?.waitsForRoom === true && !this.#options.hasRoom(head.keys.length);
  }

  async #deliver(part: Part): Promise<void> {
    const { pool, shard, epoch, onReply } = this.#options;
    this.#sentAtMs = monotonicMs();
    const delivering = pool.deliver({ keysDb: shard, epoch, seq: part.seq, keys: part.keys });
    const reply = await delivering.finally(() => (this.#sentAtMs = undefined));
    onReply(reply.result, reply.level, part.keys.length);
    switch (reply.result) {
      case 'ok':
      case 'duplicate':
        this.#queue.splice(this.#queue.indexOf(part), 1);
        this.#queuedKeys -= part.keys.length;
        part.onDelivered();
        return;
      case 'fenced':
        throw fenced(pool, epoch);
      case 'gap':
        return this.#closeGap(part);
      default:
        return reply.result satisfies never;
    }
  }

  /**
   * The pool stores an earlier seq than the part before this one. Either that part is claimed and not in hand: then it
   * goes first. Or the pool once had it: its data is lost, which is recorded before seq moves over the hole.
   */
  async #closeGap(part: Part): Promise<void> {
    const { pool, shard, epoch, log } = this.#options;
    await this.#options.adoptPending();
    if (this.#queue[0] !== part) return;
    const { seq: fromSeq, incarnation = this.#incarnation } = await pool.producerState(shard);
    const toSeq = part.seq - 1;
    if (fromSeq >= toSeq) return;
    log.warn(
      { pool: pool.name, fromSeq: fromSeq + 1, toSeq },
      'the pool has lost deliveries; recording them',
    );
    await this.#options.recordLoss({ pool: pool.name, fromSeq: fromSeq + 1, toSeq, incarnation });
    const skipped = await pool.skipTo({ keysDb: shard, epoch, fromSeq, toSeq });
    if (!skipped) this.#attached = false;
  }

  async #backOff(error: unknown, signal: AbortSignal): Promise<void> {
    const { pool, log } = this.#options;
    if (this.#failures === 0)
      log.warn({ error, pool: pool.name }, 'pool does not answer; its deliveries wait');
    this.#attached = false;
    this.#failures += 1;
    await pauseQuietly(delayFor(this.#failures - 1, BACKOFF), signal);
  }
}
