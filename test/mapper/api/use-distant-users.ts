import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { startWire, through } from '../../db/wire.ts';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { People } from './people.ts';

/** Everything exists from the first `before` of the tests on. */
export interface DistantUsers {
  readonly world: World;
  readonly people: People;
  readonly mapper: TestMapper;
  /** Starts another mapper behind the same wire. */
  readonly another: () => Promise<TestMapper>;
  /** The stores without which the mapper serves. */
  readonly degraded: () => Promise<unknown>;
  /** Does something while the database is away, and waits until it is back. */
  readonly whileAway: (fault: 'hangs' | 'refuses connections', work: () => Promise<void>) => Promise<void>;
}

/**
 * Stores with a users database that can be taken away from the mapper, for the tests of one `describe`:
 * opened before them, closed after them.
 */
export function useDistantUsers(options: Parameters<typeof createWorld>[0] = {}): DistantUsers {
  let world: World;
  let people: People;
  let wire: FaultyProxy;
  let mapper: TestMapper;

  const another = async (): Promise<TestMapper> =>
    world.start({ stores: { usersDb: { url: through(wire, world.usersUrl) } } });
  const degraded = async (): Promise<unknown> =>
    (await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded'];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100, hasUsers: true, ...options });
    people = new People(world.usersUrl);
    wire = await startWire(world.usersUrl);
    mapper = await another();
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await wire.stop();
  });

  return {
    get world() {
      return world;
    },
    get people() {
      return people;
    },
    get mapper() {
      return mapper;
    },
    another,
    degraded,
    whileAway: async (fault, work) => {
      wire.silence();
      if (fault === 'refuses connections') wire.cut();
      try {
        await work();
      } finally {
        wire.cut();
        wire.heal();
      }
      await until('the users database to be back', async () => JSON.stringify(await degraded()) === '[]');
    },
  };
}
