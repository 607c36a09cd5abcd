import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { rejection } from './rejection.ts';

const KEYS_DB = 'keys-db-1';
const STATE = `producer:${KEYS_DB}`;

describe('a pool with values that no program of ours writes', () => {
  const keyspace = createKeyspace({ length: 8, secret: 'a secret for tests', regionBits: 10 });
  let pool: Pool;
  let redis: Redis;

  beforeEach(async () => {
    const [server] = await testRedis();
    if (server === undefined) throw new Error('no test Redis');
    redis = new Redis(server.url);
    pool = openPool({ ...server, keyspace, log: createLog('test', 'pool', 'silent') });
    expect(await pool.whenConnected(5_000)).to.equal(true);
  });

  afterEach(async () => {
    await pool[Symbol.asyncDispose]();
    redis.disconnect();
  });

  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    deliver: async () => pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: ['AAAAAAAA'] }),
    raiseEpoch: async () => pool.raiseEpoch(KEYS_DB, 1),
    skipTo: async () => pool.skipTo({ keysDb: KEYS_DB, epoch: 1, fromSeq: 0, toSeq: 1 }),
    producerState: async () => pool.producerState(KEYS_DB),
    claimMarks: async () => pool.claimMarks(['keys-db-2', KEYS_DB]),
    take: async () => pool.take(1),
    level: async () => pool.level(),
    page: async () => pool.page(0, 10),
  };
  const ofTheState = ['deliver', 'raiseEpoch', 'skipTo', 'producerState'];
  const ofTheKeyspace = ['deliver', 'raiseEpoch', 'skipTo', 'producerState', 'take', 'level', 'page'];

  const planted: [what: string, plant: () => Promise<unknown>, affected: string[], named: string][] = [
    ...['x', '-1', '4.5', '1e300', '9007199254740992', '0x10', ''].map((mark): (typeof planted)[number] => [
      `claimed_to ${JSON.stringify(mark)}`,
      async () => redis.hset(STATE, { epoch: 1, seq: 0, claimed_to: mark }),
      // An empty text is as good as none where the marks are read.
      mark === '' ? ofTheState : [...ofTheState, 'claimMarks'],
      `claimed_to of ${STATE} is`,
    ]),
    [
      'another type of state',
      async () => redis.set(STATE, 'x'),
      [...ofTheState, 'claimMarks'],
      `${STATE} is of the type string, not hash`,
    ],
    ...['x', '', '{}', '{"key_length":8}', 'null', '[8]'].map((text): (typeof planted)[number] => [
      `keyspace ${JSON.stringify(text)}`,
      async () => redis.set('keyspace', text),
      ofTheKeyspace,
      `keyspace is '${text}', not like {"key_length":8`,
    ]),
    [
      'another type of keyspace',
      async () => redis.lpush('keyspace', 'x'),
      ofTheKeyspace,
      'keyspace is of the type list, not string',
    ],
    [
      'another type of pool',
      async () => redis.set('keys:available', 'x'),
      ['deliver', 'take', 'level', 'page'],
      'keys:available is of the type string, not list',
    ],
    [
      'another type of incarnation',
      async () => redis.lpush('incarnation', 'x'),
      ['raiseEpoch', 'producerState'],
      'incarnation is of the type list, not string',
    ],
  ];
  for (const [what, plant, affected, named] of planted) {
    it(`names ${what}`, async () => {
      await plant();
      for (const [name, call] of Object.entries(calls)) {
        if (!affected.includes(name)) continue;
        const error = await rejection(call());
        expect(error, name).to.have.property('code', 'IMPOSSIBLE_VALUE');
        expect(String(error), name).to.include('redis-1 holds an impossible value').and.include(named);
      }
    });
  }

  it('raises claimed_to with a delivery, and leaves a higher one', async () => {
    await redis.hset(STATE, { epoch: 1, seq: 0, claimed_to: '7000000000000007' });
    await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: ['AAAAAAAA'], claimedTo: 3 });
    expect(await pool.claimMarks([KEYS_DB, 'keys-db-2'])).to.deep.equal([7_000_000_000_000_007, undefined]);
    const claimedTo = 8_000_000_000_000_008;
    await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 2, keys: ['BBBBBBBB'], claimedTo });
    await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 3, keys: ['CCCCCCCC'] });
    expect(await pool.claimMarks([KEYS_DB])).to.deep.equal([claimedTo]);
  });
});
