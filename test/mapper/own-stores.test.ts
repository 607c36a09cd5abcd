import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { formatIdentity } from '../../runtime/config/keyspace-identity.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openUrlsDb } from '../../db/urls/links.ts';
import { createLog } from '../../runtime/log.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { mapperEnvironment } from './mapper-process.ts';
import { createWorld, type World } from './world.ts';

const log = createLog('test', 'own-stores', 'silent');
/** Of the mappers of a world. */
const OURS = createKeyspace({ length: 8, secret: 'a secret for tests', regionBits: 10 });
const LONGER = createKeyspace({ length: 9, secret: 'a secret for tests', regionBits: 10 });
const OTHERS = createKeyspace({ length: 8, secret: 'the secret of another cluster', regionBits: 10 });

describe('a mapper on stores that are not its own', () => {
  let world: World;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    world = await createWorld({ shards: 2, databases: 2, keys: 500 });
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  async function recordInPool(shard: number, keyspace: typeof OURS): Promise<void> {
    await world.redis[shard]?.client.set('keyspace', formatIdentity(keyspace));
  }

  async function recordInUrlsDb(index: number, keyspace: typeof OURS): Promise<void> {
    const { name = '', url = '', slots = [] } = world.urls[index] ?? {};
    const db = openUrlsDb({ name, url, slots, keyspace, log });
    await db.recordKeyspace();
    await db.close();
  }

  async function levels(): Promise<number[]> {
    return Promise.all(world.redis.map(async ({ client }) => client.llen('keys:available')));
  }

  for (const processes of ['1', '2']) {
    it(`refuses to start with another key length, and takes no key (${processes} process(es))`, async () => {
      await recordInPool(1, createKeyspace({ length: 8, secret: 'a secret for tests only', regionBits: 10 }));
      const child = spawn(process.execPath, ['mapper/main.ts'], {
        env: {
          ...mapperEnvironment(world),
          KEYMILL_KEY_LENGTH: '9',
          KEYMILL_REGION_BITS: '10',
          KEYMILL_PROCESSES: processes,
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      let output = '';
      child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).to.equal(1);
      expect(output).to.include('redis-2').and.to.include('KEYMILL_KEY_LENGTH').and.to.include('MISMATCH');
      expect(await levels()).to.deep.equal([500, 500]);
    });
  }

  const refusals: [string, () => Promise<void>, string[]][] = [
    ['a pool of longer keys', async () => recordInPool(0, LONGER), ['redis-1', 'KEYMILL_KEY_LENGTH']],
    ['a pool of another cluster', async () => recordInPool(0, OTHERS), ['redis-1', 'KEYMILL_KEY_SECRET']],
    [
      'a urls server of another cluster',
      async () => recordInUrlsDb(1, OTHERS),
      ['urls-2', 'KEYMILL_KEY_SECRET'],
    ],
    [
      'a urls server with longer keys',
      async () => recordInUrlsDb(1, LONGER),
      ['urls-2', 'KEYMILL_KEY_LENGTH'],
    ],
  ];
  for (const [what, prepare, names] of refusals) {
    it(`refuses to start on ${what}, naming the store and the setting`, async () => {
      await prepare();
      const error = await world.start().catch((reason: unknown) => reason);
      expect(error).to.have.property('code', 'MISMATCH');
      for (const name of names) expect(String(error)).to.include(name);
      expect(String(error)).to.not.include('a secret for tests');
      expect(await levels()).to.deep.equal([500, 500]);
    });
  }

  it('starts on its own stores, and on those that record nothing', async () => {
    await recordInPool(0, OURS);
    await recordInUrlsDb(0, OURS);
    const mapper = await world.start();
    expect((await shorten(mapper.url, { long_url: 'https://example.com/' })).status).to.equal(201);
  });

  it('does not draw from a pool whose record of its keyspace is spoilt, and names it', async () => {
    await world.redis[0]?.client.lpush('keyspace', 'x');
    const mapper = await world.start();
    const refused = 'keymill_store_refused{store="redis-1",reason="impossible"} 1';
    const metrics = async (): Promise<string> => (await send('GET', `${mapper.adminUrl}/metrics`)).text;
    await until('the refusal', async () => (await metrics()).includes(refused));
    const { status } = await shorten(mapper.url, { long_url: 'https://example.com/' });
    expect(status).to.equal(201);
    expect((await levels())[0]).to.equal(500);
    await world.redis[0]?.client.del('keyspace');
    await until('the pool to be used', async () => !(await metrics()).includes(refused));
  });

  it('does not draw from a pool that turns out to be another cluster’s, names it, and uses it again once it is ours', async () => {
    const mapper = await world.start();
    await recordInPool(0, OTHERS);
    const degraded = async (): Promise<unknown> =>
      (await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded'];
    const refused = 'keymill_store_refused{store="redis-1",reason="mismatch"}';
    await until('the refusal', async () =>
      (await send('GET', `${mapper.adminUrl}/metrics`)).text.includes(`${refused} 1`),
    );
    expect(await degraded()).to.deep.equal(['redis-1']);
    const before = await world.redis[0]?.client.llen('keys:available');
    for (let request = 0; request < 60; request += 1)
      expect((await shorten(mapper.url, { long_url: `https://example.com/${request}` })).status).to.equal(
        201,
      );
    expect(await world.redis[0]?.client.llen('keys:available')).to.equal(before);
    await world.redis[0]?.client.del('keyspace');
    await until('the pool to be used', async () => (await degraded())?.toString() === '');
  });
});
