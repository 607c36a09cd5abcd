import type { Loss } from '../../db/keys-db/deliveries.ts';
import type { Pool, DeliveryReply, ProducerState } from '../../db/redis/pool.ts';
import { producerKey } from '../../db/redis/redis-keys.ts';
import { fenced, type FencedError } from '../../db/store-errors.ts';
import { requirePlausible } from '../../runtime/stored-values.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { Bell } from '../bell.ts';

/** What one pool gets of one batch. */
export interface Part {
  readonly batchId: number;
  /** Its place among the parts of the batch. */
  readonly index: number;
  /** Counted per keys-db and pool. */
  readonly seq: number;
  readonly keys: readonly string[];
  /** The claim mark after its batch; undefined when its keys are claimed again. */
  readonly claimedTo: number | undefined;
  /** Whether the part is delivered only when the pool has room for it. */
  readonly needsRoom: boolean;
}

export interface DeliveryQueueOptions {
  readonly pool: Pool;
  readonly shard: string;
  readonly epoch: number;
  /** Highest seq that the keys-db ever assigned for this pool. */
  readonly lastSeq: number;
  /** Whether the pool has room for this many more keys. */
  readonly hasRoom: (keys: number) => boolean;
  /** Called with every answer of the pool to a delivery. */
  readonly onReply: (result: DeliveryReply['result'], level: number, keys: number) => void;
}

const IDLE_MS = 1_000;
/** How often a part that waits for room is looked at again. */
const ROOM_MS = 100;
/** A delivery takes milliseconds. A pool that is slower than this must not hold up the others. */
const HANG_MS = 300;

/**
 * One pool's deliveries during one reign: strictly in seq order, independent of every other pool.
 *
 * - detached: what the pool stores is not known. {@link attach} ends this state.
 * - attached: the pool has accepted the epoch. Every failure detaches, because the pool may come back flushed
 *   or with older data.
 *
 * A part that cannot be delivered stays queued and delays no other pool. An unhealthy queue is no target of
 * new batches, so its length is bounded. The queue has no loop of its own: {@link deliverInOrder} drives it.
 */
export class DeliveryQueue {
  readonly #options: DeliveryQueueOptions;
  readonly #bell = new Bell();
  readonly #parts: Part[] = [];
  #isAttached = false;
  #hasRaisedEpoch = false;
  /** Identifies the data in the pool's Redis. After a loss of data it is another one. */
  #incarnation = '';
  #lastSeq: number;
  #queuedKeys = 0;
  /** When the delivery in flight was sent. */
  #sentAtMs: number | undefined;
  /** Parts that are claimed for this pool and whose rows are not read yet: seq → about how many keys. */
  readonly #announced = new Map<number, number>();

  constructor(options: DeliveryQueueOptions) {
    this.#options = options;
    this.#lastSeq = options.lastSeq;
  }

  get poolName(): string {
    return this.#options.pool.name;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** Attached, connected and no delivery hangs: the pool may be the target of new batches. */
  get isHealthy(): boolean {
    const hangs = monotonicMs() - (this.#sentAtMs ?? Infinity) > HANG_MS;
    return this.#isAttached && this.#options.pool.isConnected && !hangs;
  }

  /** Healthy, and not held up by a part that waits for room. */
  get isMoving(): boolean {
    return this.isHealthy && !this.#waitsForRoom;
  }

  /** Keys claimed for this pool and not yet in it. */
  get queuedKeys(): number {
    return [...this.#announced.values()].reduce((sum, keys) => sum + keys, this.#queuedKeys);
  }

  /** Number of the next part. Known once attached: Redis may be ahead of a keys-db restored from a backup. */
  get nextSeq(): number {
    return this.#lastSeq + 1;
  }

  /** A part with this number is claimed; its rows, about `aboutKeys`, are being read. */
  announce(seq: number, aboutKeys: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#announced.set(seq, aboutKeys);
  }

  /** Inserts a claimed part at its place by seq. */
  enqueue(part: Part): void {
    this.#lastSeq = Math.max(this.#lastSeq, part.seq);
    this.#announced.delete(part.seq);
    const later = this.#parts.findIndex((queued) => queued.seq > part.seq);
    this.#parts.splice(later < 0 ? this.#parts.length : later, 0, part);
    this.#queuedKeys += part.keys.length;
    this.#bell.ring();
  }

  /**
   * Reads what the pool has stored for this keys-db and raises the epoch there.
   *
   * @throws FencedError if the pool stores a later epoch, or this very number from an earlier reign (a
   *   keys-db restored from a backup repeats numbers): the reign must end, and the next one gets a higher
   *   epoch
   * @throws MismatchError if the pool belongs to another keyspace, ImpossibleValueError if no reign can have
   *   stored what it stores: it is not used until a person has mended it
   */
  async attach(): Promise<void> {
    const { pool, shard, epoch } = this.#options;
    const before = await pool.producerState(shard);
    this.#requirePlausible(before);
    if (before.epoch > epoch || (before.epoch === epoch && !this.#hasRaisedEpoch)) throw this.#fenced();
    this.#hasRaisedEpoch = true;
    const raised = await pool.raiseEpoch(shard, epoch);
    this.#requirePlausible(raised);
    if (raised.result === 'fenced') throw this.#fenced();
    this.#incarnation = raised.incarnation;
    this.#lastSeq = Math.max(this.#lastSeq, raised.seq);
    this.#isAttached = true;
  }

  /** After a failure: nothing is delivered before the pool is attached again. */
  detach(): void {
    this.#isAttached = false;
  }

  /** The part to deliver now. If there is none, waits for a bounded time and returns undefined. */
  async next(signal: AbortSignal): Promise<Part | undefined> {
    const head = this.#parts[0];
    if (head !== undefined && !this.#waitsForRoom) return head;
    await this.#bell.wait(head === undefined ? IDLE_MS : ROOM_MS, signal);
    return undefined;
  }

  isHead(part: Part): boolean {
    return this.#parts[0] === part;
  }

  /**
   * Sends the part, and removes it once the pool has it.
   *
   * @returns 'gap' if the pool stores an earlier seq than that of the part before
   * @throws FencedError if the pool stores a later epoch
   */
  async deliver(part: Part): Promise<'delivered' | 'gap'> {
    const { pool, shard, epoch, onReply } = this.#options;
    this.#sentAtMs = monotonicMs();
    const { seq, keys, claimedTo } = part;
    const delivering = pool.deliver({ keysDb: shard, epoch, seq, keys, claimedTo });
    const reply = await delivering.finally(() => (this.#sentAtMs = undefined));
    onReply(reply.result, reply.level, part.keys.length);
    switch (reply.result) {
      case 'ok':
      case 'duplicate':
        this.#parts.splice(this.#parts.indexOf(part), 1);
        this.#queuedKeys -= part.keys.length;
        return 'delivered';
      case 'fenced':
        this.#requirePlausible(reply);
        throw this.#fenced();
      case 'gap':
        return 'gap';
      default:
        return reply.result satisfies never;
    }
  }

  /** The deliveries before this part that the pool no longer has; undefined if it has them all. */
  async findLoss(part: Part): Promise<Loss | undefined> {
    const { pool, shard } = this.#options;
    const { seq, incarnation = this.#incarnation } = await pool.producerState(shard);
    const toSeq = part.seq - 1;
    return seq < toSeq ? { pool: pool.name, fromSeq: seq + 1, toSeq, incarnation } : undefined;
  }

  /** Moves the pool's seq past a recorded loss. Detaches if the pool's state has changed in the meantime. */
  async skip({ fromSeq, toSeq }: Loss): Promise<void> {
    const { pool, shard, epoch } = this.#options;
    const isSkipped = await pool.skipTo({ keysDb: shard, epoch, fromSeq: fromSeq - 1, toSeq });
    if (!isSkipped) this.#isAttached = false;
  }

  get #waitsForRoom(): boolean {
    const [head] = this.#parts;
    return head?.needsRoom === true && !this.#options.hasRoom(head.keys.length);
  }

  /** @throws ImpossibleValueError */
  #requirePlausible({ epoch, seq }: Pick<ProducerState, 'epoch' | 'seq'>): void {
    const { pool, shard } = this.#options;
    const where = (field: string): { store: string; what: string } => ({
      store: pool.name,
      what: `${field} of ${producerKey(shard)}`,
    });
    requirePlausible(epoch, this.#options.epoch, where('epoch'));
    requirePlausible(seq, this.#lastSeq, where('seq'));
  }

  #fenced(): FencedError {
    return fenced(this.#options.pool, this.#options.epoch);
  }
}
