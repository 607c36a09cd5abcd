import { expect } from 'chai';
import { Redis } from 'ioredis';
import { openPool, type Pool } from '../../../db/redis/pool.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { moveKeys } from '../../../scripts/grow/move-keys.ts';
import { testRedis } from '../../servers.ts';

/** `count` distinct keys of 8 characters. */
function keysFrom(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `k${String(first + index).padStart(7, '0')}`);
}

/** The pool, with `before` called before each of its methods. */
function watched(pool: Pool, before: (method: string) => Promise<void>): Pool {
  return {
    ...pool,
    name: pool.name,
    page: async (...args) => before('page').then(async () => pool.page(...args)),
    take: async (...args) => before('take').then(async () => pool.take(...args)),
    putBack: async (...args) => before('putBack').then(async () => pool.putBack(...args)),
  };
}

describe('moving the keys of pools that end', () => {
  let pools: [Pool, Pool, Pool];
  let clients: Redis[];

  beforeEach(async () => {
    const [first, second, third] = await testRedis(3);
    if (first === undefined || second === undefined || third === undefined) throw new Error('no Redis');
    const open = (server: { name: string; url: string }): Pool => openPool({ ...server, log: QUIET_LOG });
    pools = [open(first), open(second), open(third)];
    clients = [first, second, third].map(({ url }) => new Redis(url));
    for (const pool of pools) expect(await pool.whenConnected(5_000)).to.equal(true);
    await pools[0].putBack(keysFrom(0, 3));
    await pools[1].putBack(keysFrom(100, 4_500));
    await pools[2].putBack(keysFrom(10_000, 1));
  });

  afterEach(async () => {
    for (const client of clients) client.disconnect();
    for (const pool of pools) await pool[Symbol.asyncDispose]();
  });

  async function contents(): Promise<string[][]> {
    return Promise.all(clients.map(async (client) => (await client.lrange('keys:available', 0, -1)).sort()));
  }

  const ALL = [...keysFrom(0, 3), ...keysFrom(100, 4_500), ...keysFrom(10_000, 1)].sort();

  it('leaves every key in the pool that stays, once', async () => {
    const [target, ...ending] = pools;
    expect(await moveKeys(ending, target)).to.equal(4_501);
    expect(await contents()).to.deep.equal([ALL, [], []]);
    expect(await moveKeys(ending, target)).to.equal(0);
  });

  it('loses and repeats none, wherever it stops before it is called again', async () => {
    const [target, second, third] = pools;
    // Ends with the nth call, as a command that is killed there.
    for (let calls = 1; ; calls++) {
      let left = calls;
      const stopping = (pool: Pool): Pool =>
        watched(pool, async () => {
          if ((left -= 1) < 0) throw new Error('killed');
        });
      try {
        await moveKeys([stopping(second), stopping(third)], stopping(target));
        expect(calls).to.be.above(5);
        break;
      } catch (error) {
        expect(error).to.have.property('message', 'killed');
        expect([...new Set((await contents()).flat())].sort(), `call ${calls}`).to.deep.equal(ALL);
        const [there = []] = await contents();
        expect(there).to.have.lengthOf(new Set(there).size);
      }
    }
    expect(await contents()).to.deep.equal([ALL, [], []]);
  });

  it('gives back a key that comes into a pool meanwhile, and says so', async () => {
    const [target, second] = pools;
    const late = keysFrom(50_000, 1);
    const delivering = watched(second, async (method) => {
      if (method === 'take') await second.putBack(late);
    });
    let message = '';
    await moveKeys([delivering], target).catch((error: Error) => (message = error.message));
    expect(message).to.match(/still uses it/);
    expect((await contents())[1]).to.include(late[0]);
  });
});
