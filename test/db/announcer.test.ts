import { expect } from 'chai';
import * as fc from 'fast-check';
import { Announcer } from '../../db/redis/announcer.ts';
import { parseQuestion } from '../../db/redis/hearing-messages.ts';
import type { Heard } from '../../db/redis/hearing.ts';
import { INVALIDATION_CHANNEL } from '../../db/redis/redis-keys.ts';
import { ranMs } from '../ran-ms.ts';

const SHARDS = 2;
const PROCESSES = 3;
const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

interface Delivery {
  readonly channel: string;
  readonly message: string;
}

/** The subscription of one process to one shard: what was published arrives in this order, or never. */
class Subscriber {
  readonly heard: Set<string>;
  readonly #acknowledge: (number: number) => void;
  isSubscribed = true;
  queue: Delivery[] = [];
  /** Questions it has received. */
  unanswered: number[] = [];

  constructor(heard: Set<string>, acknowledge: (number: number) => void) {
    this.heard = heard;
    this.#acknowledge = acknowledge;
  }

  receive(): void {
    const next = this.queue.shift();
    if (next === undefined) return;
    if (next.channel === INVALIDATION_CHANNEL) this.heard.add(next.message);
    else this.unanswered.push(parseQuestion(next.message)?.number ?? 0);
  }

  acknowledge(): void {
    const number = this.unanswered.shift();
    if (number !== undefined) this.#acknowledge(number);
  }
}

/** Shards as seen by an announcer, and what each process has heard. */
class World {
  readonly heardBy = Array.from({ length: PROCESSES }, () => new Set<string>());
  readonly changes: string[] = [];
  /** The processes that a copy of a change was published to. */
  readonly toldOf = new Map<string, Set<number>>();
  readonly refuses = Array.from({ length: SHARDS }, () => false);
  readonly answers = Array.from({ length: SHARDS }, () => true);
  readonly subscribers: Subscriber[][];
  readonly announcer: Announcer;
  readonly broken: string[] = [];

  constructor() {
    this.announcer = new Announcer(
      'me',
      this.refuses.map((_, shard) => ({
        pool: { publish: async (channel, message) => this.#publish(shard, channel, message) },
        isAnswering: () => this.answers[shard] ?? false,
      })),
    );
    this.subscribers = this.refuses.map((_, shard) =>
      this.heardBy.map(
        (heard) => new Subscriber(heard, (number) => this.announcer.acknowledged(shard, number)),
      ),
    );
  }

  async #publish(shard: number, channel: string, message: string): Promise<number> {
    if (this.refuses[shard] === true) throw new Error('away');
    let count = 0;
    this.subscribers[shard]?.forEach((subscriber, index) => {
      if (!subscriber.isSubscribed) return;
      count += 1;
      subscriber.queue.push({ channel, message });
      if (channel === INVALIDATION_CHANNEL) this.toldOf.get(message)?.add(index);
    });
    return count;
  }

  announce(): void {
    const key = `key-${this.changes.length}`;
    this.changes.push(key);
    this.toldOf.set(key, new Set());
    void this.announcer.announce([key]).then((heard) => this.#check(key, heard));
  }

  #check(key: string, heard: Heard): void {
    const missing = [...(this.toldOf.get(key) ?? [])].filter((index) => !this.heardBy[index]?.has(key));
    if (heard === 'all' && missing.length > 0) this.broken.push(`${key}: ${missing.join()} have not heard`);
  }

  /** The connection is lost, with all that was on its way. */
  lose(shard: number, index: number): void {
    const subscriber = this.subscribers[shard]?.[index];
    if (subscriber === undefined) return;
    Object.assign(subscriber, { isSubscribed: false, queue: [], unanswered: [] });
  }

  /** Subscribed again: the process forgets all that it has in memory. */
  subscribe(shard: number, index: number): void {
    const subscriber = this.subscribers[shard]?.[index];
    if (subscriber === undefined || subscriber.isSubscribed) return;
    subscriber.isSubscribed = true;
    for (const key of this.changes) subscriber.heard.add(key);
  }
}

type Step = readonly [action: keyof typeof ACTIONS, shard: number, index: number];

const ACTIONS = {
  announce: (world: World) => world.announce(),
  receive: (world: World, shard: number, index: number) => world.subscribers[shard]?.[index]?.receive(),
  acknowledge: (world: World, shard: number, index: number) =>
    world.subscribers[shard]?.[index]?.acknowledge(),
  lose: (world: World, shard: number, index: number) => world.lose(shard, index),
  subscribe: (world: World, shard: number, index: number) => world.subscribe(shard, index),
  refuse: (world: World, shard: number) => (world.refuses[shard] = world.refuses[shard] !== true),
  silence: (world: World, shard: number) => {
    world.answers[shard] = world.answers[shard] !== true;
    world.announcer.judgeAll();
  },
} as const;

const OFTEN: readonly Step[0][] = [
  'receive',
  'receive',
  'acknowledge',
  'acknowledge',
  'receive',
  'acknowledge',
];

describe(`an announcer (seed ${SEED})`, () => {
  it('never says that all have heard before every process that a shard delivers to has', async function () {
    this.timeout(60_000);
    const step = fc.tuple(
      fc.constantFrom(...OFTEN, ...OFTEN, 'announce', 'announce', 'lose', 'subscribe', 'refuse', 'silence'),
      fc.nat(SHARDS - 1),
      fc.nat(PROCESSES - 1),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (steps) => {
        const world = new World();
        for (const [action, shard, index] of steps as Step[]) {
          ACTIONS[action](world, shard, index);
          // The answers to PUBLISH arrive.
          await new Promise(setImmediate);
        }
        // All that is still on its way, one message after another.
        for (const subscriber of world.subscribers.flat()) {
          while (subscriber.queue.length + subscriber.unanswered.length > 0) {
            subscriber.acknowledge();
            await new Promise(setImmediate);
            subscriber.receive();
          }
        }
        expect(world.broken).to.deep.equal([]);
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  it('waits again for a process that was late once', async function () {
    this.timeout(5_000);
    const world = new World();
    const results: Heard[] = [];
    const change = async (): Promise<Heard> => world.announcer.announce([`key-${results.length}`]);
    const catchUp = (index: number): void => {
      for (const shard of world.subscribers) {
        const subscriber = shard[index];
        while ((subscriber?.queue.length ?? 0) > 0) subscriber?.receive();
        while ((subscriber?.unanswered.length ?? 0) > 0) subscriber?.acknowledge();
      }
    };
    const first = change();
    for (const index of [0, 1]) catchUp(index);
    results.push(await first);
    const startedMs = ranMs();
    const second = change();
    for (const index of [0, 1]) catchUp(index);
    results.push(await second);
    expect(ranMs() - startedMs, 'not waited for').to.be.below(250);
    catchUp(2);
    const third = change();
    for (const index of [0, 1]) catchUp(index);
    await new Promise(setImmediate);
    catchUp(2);
    results.push(await third);
    expect(results).to.deep.equal(['some', 'some', 'all']);
  });

  it('waits again for a process that was late once, also while one change follows another', async function () {
    this.timeout(5_000);
    const world = new World();
    const receiveAll = (index: number): void => {
      for (const shard of world.subscribers)
        while ((shard[index]?.queue.length ?? 0) > 0) shard[index]?.receive();
    };
    const acknowledge = (index: number): void => {
      for (const shard of world.subscribers) shard[index]?.acknowledge();
    };
    const change = async (key: string): Promise<Heard> => {
      const heard = world.announcer.announce([key]);
      for (const index of [0, 1, 2]) receiveAll(index);
      for (const index of [0, 1]) acknowledge(index);
      await new Promise(setImmediate);
      return heard;
    };
    const results = [await change('first'), await change('second')];
    // The process goes on: it acknowledges the first change, when the second one is over too.
    acknowledge(2);
    const third = change('third');
    await new Promise(setImmediate);
    acknowledge(2);
    acknowledge(2);
    results.push(await third);
    expect(results).to.deep.equal(['some', 'some', 'all']);
  });
});
