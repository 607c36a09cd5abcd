import { setTimeout as delay } from 'node:timers/promises';
import { isLinkInsert } from '../../../drills/proxy/proxy.ts';
import type { Proxied } from '../faulty.ts';
import type { ChaosStage } from './chaos-stage.ts';

/** Faults of different lanes happen at the same time, those of one lane one after the other. */
const LANES = ['redis', 'to redis', 'to users', 'mappers'] as const;

interface Fault {
  /** `alone`: while nothing else is broken. */
  readonly lane: (typeof LANES)[number] | 'alone';
  /** Takes as long as it needs. What it did to a proxy is healed some time later. */
  readonly make: (random: () => number) => Promise<unknown> | void;
}

/** How often the present state becomes the one that is put back later. */
const REMEMBERED = 0.2;

/** Random faults of everything around two mappers with keys by counter. */
export class ChaosFaults {
  readonly #stage: ChaosStage;
  readonly #random: () => number;
  readonly #faults: Readonly<Record<string, Fault>>;
  readonly #restarts: Promise<void>[] = [];

  /** @param makeLinks waits until some more links were made */
  constructor(stage: ChaosStage, random: () => number, makeLinks: () => Promise<unknown>) {
    this.#stage = stage;
    this.#random = random;
    this.#faults = {
      ...redisFaults(stage),
      ...networkFaults(stage),
      'users put back': {
        lane: 'mappers',
        make: async () => stage.putBack({ isCounterToo: false }),
      },
      'both put back': {
        lane: 'mappers',
        make: async () => stage.putBack({ isCounterToo: true }),
      },
      'answers of urls cut': {
        lane: 'mappers',
        make: () => {
          for (const { proxy } of stage.toUrls) proxy.cutBeforeReplyTo(isLinkInsert);
        },
      },
      'mapper killed': {
        lane: 'mappers',
        make: async () => {
          const index = Math.floor(random() * stage.mappers.length);
          if (await stage.killMapper(index)) this.#restarts.push(stage.startMapper(index));
        },
      },
      'both put back, and forgotten': {
        lane: 'alone',
        make: async () => {
          await this.#untilRestarted();
          await Promise.all(stage.mappers.map(async (_, index) => stage.killMapper(index)));
          await stage.putBack({ isCounterToo: true });
          await Promise.all(stage.mappers.map(async (_, index) => stage.startMapper(index)));
          await makeLinks();
          // Later faults go back to after the lift that this has caused.
          await stage.remember();
        },
      },
    };
  }

  /** Makes `count` faults: each once, then by chance. At the end nothing is broken, and all mappers run. */
  async make(count: number): Promise<void> {
    const names = Object.keys(this.#faults);
    const chosen = Array.from(
      { length: count },
      (_, number) => names[number < names.length ? number : Math.floor(this.#random() * names.length)] ?? '',
    );
    await this.#stage.redis.save();
    while (chosen.length > 0) {
      const alone = chosen.findIndex((name) => this.#faults[name]?.lane === 'alone');
      const together = chosen.splice(0, alone === -1 ? chosen.length : alone);
      await Promise.all(LANES.map(async (lane) => this.#makeInLane(lane, together)));
      const [name] = chosen.splice(0, 1);
      if (name !== undefined) await this.#faults[name]?.make(this.#random);
    }
    await this.#untilRestarted();
  }

  async #makeInLane(lane: Fault['lane'], names: readonly string[]): Promise<void> {
    for (const name of names) {
      const fault = this.#faults[name];
      if (fault?.lane !== lane) continue;
      await fault.make(this.#random);
      await delay(50 + this.#random() * 150);
      for (const { proxy } of proxiesOf(lane, this.#stage)) proxy.heal();
      if (this.#random() > REMEMBERED) continue;
      if (lane === 'redis') await this.#stage.redis.save();
      if (lane === 'mappers') await this.#stage.remember();
    }
  }

  async #untilRestarted(): Promise<void> {
    await Promise.all(this.#restarts.splice(0));
  }
}

function redisFaults({ redis, direct }: ChaosStage): Record<string, Fault> {
  const lane = 'redis';
  return {
    'redis killed': {
      lane,
      make: async (random) => {
        await redis.kill();
        await delay(200 * random());
        await redis.restart();
      },
    },
    'redis wiped': {
      lane,
      make: async () => {
        await redis.kill();
        await redis.restart('wiped');
      },
    },
    'redis put back': {
      lane,
      make: async () => {
        await redis.kill();
        await redis.restart('saved');
      },
    },
    'redis flushed': { lane, make: async () => direct.flushall().catch(() => undefined) },
    'redis stopped': {
      lane,
      make: async (random) => {
        redis.pause();
        await delay(700 * random());
        redis.resume();
      },
    },
  };
}

function networkFaults({ toRedis, toUsers }: ChaosStage): Record<string, Fault> {
  return {
    'redis silent': { lane: 'to redis', make: () => toRedis.proxy.silence() },
    'redis cut': { lane: 'to redis', make: () => toRedis.proxy.cut() },
    'answer of redis cut': {
      lane: 'to redis',
      make: () => toRedis.proxy.cutBeforeReplyTo((sent) => sent.includes('keymill:counter')),
    },
    'answer of the mark cut': {
      lane: 'to users',
      make: () => toUsers.proxy.cutBeforeReplyTo((sent) => sent.includes('UPDATE counter_marks')),
    },
    'users slow': { lane: 'to users', make: (random) => toUsers.proxy.delay(100 * random()) },
    'users silent': { lane: 'to users', make: () => toUsers.proxy.silence() },
    'users cut': { lane: 'to users', make: () => toUsers.proxy.cut() },
    'users away for seconds': {
      lane: 'to users',
      make: async (random) => {
        toUsers.proxy.silence();
        await delay(3_000 + 2_000 * random());
      },
    },
  };
}

function proxiesOf(lane: Fault['lane'], { toRedis, toUsers, toUrls }: ChaosStage): readonly Proxied[] {
  if (lane === 'to redis') return [toRedis];
  if (lane === 'to users') return [toUsers];
  return lane === 'mappers' ? toUrls : [];
}
