import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { formatQuestion } from './hearing-messages.ts';
import {
  CHANGE_MS,
  isAcknowledged,
  isTaken,
  judgeChange,
  SHARD_ANSWER_MS,
  type CopyState,
  type Heard,
} from './hearing.ts';
import type { Pool } from './pool.ts';
import { INVALIDATION_CHANNEL, QUESTION_CHANNEL } from './redis-keys.ts';

/** A shard on which changes are announced. */
export interface AnnouncingShard {
  readonly pool: Pick<Pool, 'publish'>;
  /** See `HeardShard`. */
  readonly isAnswering: () => boolean;
}

/** More changes are hardly under way at the same time. */
const MAX_LATE = 1_000;

/** Announces changes to all processes, and collects their acknowledgements. */
export class Announcer {
  readonly #id: string;
  readonly #shards: readonly Acknowledged[];
  /** The changes that wait, by number. None waits longer than CHANGE_MS. */
  readonly #open = new Map<number, Change>();
  #number = 0;

  /** @param id of this process; its acknowledgement channel has this name */
  constructor(id: string, shards: readonly AnnouncingShard[]) {
    this.#id = id;
    this.#shards = shards.map((shard) => ({ ...shard, newest: 0, short: undefined, late: new Map() }));
  }

  /**
   * Publishes that `keys` have changed on every shard, and waits until every process that a copy was
   * delivered to has acknowledged it, for at most {@link CHANGE_MS}. Never rejects.
   */
  async announce(keys: readonly string[]): Promise<Heard> {
    const number = (this.#number += 1);
    const copies = this.#shards.map((shard) => new Copy(number, shard));
    const { promise, resolve } = Promise.withResolvers<Heard>();
    const change: Change = {
      number,
      copies,
      resolve,
      deadlines: [
        new AnswerDeadline(SHARD_ANSWER_MS, () => {
          for (const copy of copies) if (copy.taken === 'pending') copy.taken = 'refused';
          this.#judge(change);
        }),
        new AnswerDeadline(CHANGE_MS, () => this.#judge(change, true)),
      ],
    };
    this.#open.set(number, change);
    for (const copy of copies) void this.#send(change, copy, keys);
    this.#judge(change);
    return promise;
  }

  /** A process has acknowledged the copy of a change on a shard. */
  acknowledged(shardIndex: number, number: number): void {
    const shard = this.#shards[shardIndex];
    const change = this.#open.get(number);
    if (change !== undefined) {
      const copy = change.copies[shardIndex];
      if (copy === undefined) return;
      copy.acknowledged += 1;
      this.#judge(change);
      return;
    }
    const late = shard?.late.get(number);
    if (shard === undefined || late === undefined) return;
    late.acknowledged += 1;
    // The process was paused and goes on. Later changes wait for it again.
    if (isAcknowledged(late)) late.endShortage();
  }

  /** Some shard no longer answers: nothing is waited for there. */
  judgeAll(): void {
    for (const change of this.#open.values()) this.#judge(change);
  }

  async #send(change: Change, copy: Copy, keys: readonly string[]): Promise<void> {
    const { pool } = copy.shard;
    const question = formatQuestion({ announcer: this.#id, number: change.number });
    try {
      // Sent together on one connection, so Redis executes them in this order.
      const published = keys.map(async (key) => pool.publish(INVALIDATION_CHANNEL, key));
      const [asked] = await Promise.all([pool.publish(QUESTION_CHANNEL, question), ...published]);
      if (copy.taken === 'pending') copy.taken = asked;
    } catch {
      if (copy.taken === 'pending') copy.taken = 'refused';
    }
    this.#judge(change);
  }

  #judge(change: Change, isTimeUp = false): void {
    if (!this.#open.has(change.number)) return;
    const heard = judgeChange(change.copies, isTimeUp);
    if (heard === 'waiting') return;
    this.#open.delete(change.number);
    for (const deadline of change.deadlines) deadline.clear();
    change.resolve(heard);
    if (change.copies.map((copy) => copy.settle()).includes('shorter')) this.judgeAll();
  }
}

interface Change {
  readonly number: number;
  readonly copies: readonly Copy[];
  readonly deadlines: readonly AnswerDeadline[];
  readonly resolve: (heard: Heard) => void;
}

interface Acknowledged extends AnnouncingShard {
  /** The number of the last change that is over. */
  newest: number;
  /** Its copy, until all have acknowledged one of `late`. */
  short: Copy | undefined;
  /**
   * The last copies that were over before all had acknowledged them, by number: `short` and those before it.
   * With changes that overlap, `short` is replaced before its late acknowledgements come.
   */
  readonly late: Map<number, Copy>;
}

class Copy implements CopyState {
  readonly number: number;
  readonly shard: Acknowledged;
  taken: CopyState['taken'] = 'pending';
  acknowledged = 0;

  constructor(number: number, shard: Acknowledged) {
    this.number = number;
    this.shard = shard;
  }

  get isAnswering(): boolean {
    return this.shard.isAnswering();
  }

  get usual(): number | undefined {
    return this.shard.short?.acknowledged;
  }

  /** The change is over. @returns whether fewer acknowledgements than before are waited for on the shard */
  settle(): 'shorter' | 'same' {
    const { shard } = this;
    if (!isTaken(this) || shard.newest > this.number) return 'same';
    shard.newest = this.number;
    if (isAcknowledged(this)) {
      this.endShortage();
      return 'same';
    }
    const before = shard.short?.acknowledged ?? Number.POSITIVE_INFINITY;
    shard.short = this;
    const [oldest] = shard.late.keys();
    if (shard.late.size >= MAX_LATE && oldest !== undefined) shard.late.delete(oldest);
    shard.late.set(this.number, this);
    return this.acknowledged < before ? 'shorter' : 'same';
  }

  /** All have acknowledged this copy, so all are waited for again. */
  endShortage(): void {
    this.shard.short = undefined;
    this.shard.late.clear();
  }
}
