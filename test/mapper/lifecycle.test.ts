import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { mapperPath, PATHS, producerPath } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { MismatchError } from '../../db/store-errors.ts';
import { createLog } from '../../runtime/log.ts';
import { testZooKeeper } from '../servers.ts';
import { AS_OPERATOR } from '../admin-token.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { startMapperProcess, type MapperProcess } from './mapper-process.ts';
import { createWorld, type World } from './world.ts';

const log = createLog('test', 'lifecycle', 'silent');

describe('the life of a mapper', () => {
  let world: World;
  const children: ChildProcess[] = [];
  const sessions: Session[] = [];

  beforeEach(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100 });
  });

  afterEach(async function () {
    this.timeout(20_000);
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const session of sessions.splice(0)) await session.close();
    await world[Symbol.asyncDispose]();
  });

  async function pooled(): Promise<number> {
    const levels = await Promise.all(world.redis.map(async ({ client }) => client.llen('keys:available')));
    return levels.reduce((sum, level) => sum + level, 0);
  }

  async function startProcess(env: Record<string, string> = {}): Promise<MapperProcess> {
    return startMapperProcess(world, (child) => children.push(child), env);
  }

  it('serves without ZooKeeper, and ends on SIGTERM with every key back in its pool', async () => {
    const { child, url, admin, exited } = await startProcess();
    for (let request = 0; request < 20; request += 1) {
      expect((await shorten(url, { long_url: 'https://example.com/' })).status).to.equal(201);
    }
    // The last request may have started a take, whose keys are in neither place until its answer comes.
    const held = await until('every unused key to be in the reserve or in a pool', async () => {
      const keys = (await send('GET', `${admin}/reserve`, { headers: AS_OPERATOR })).json()[
        'keys'
      ] as string[];
      return keys.length + (await pooled()) === 180 && keys;
    });
    expect(held.length).to.be.greaterThan(0);
    const heads = await Promise.all(
      world.redis.map(async ({ client }) => client.lindex('keys:available', 0)),
    );
    child.kill('SIGTERM');
    expect(await exited).to.equal(0);
    expect(await pooled()).to.equal(180);
    const newHeads = await Promise.all(
      world.redis.map(async ({ client }) => client.lindex('keys:available', 0)),
    );
    const returned = newHeads.filter((head, index) => head !== heads[index]);
    for (const head of returned) expect(held).to.include(head);
    expect(returned).to.not.have.length(0);
  });

  it('is not ready from SIGTERM on, serves for another second, and loses no request', async () => {
    const { child, url, admin, exited } = await startProcess();
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const alias = String(
      (await shorten(url, { long_url: 'https://example.com/', custom_alias: 'still-there' })).json()[
        'unique_id'
      ],
    );
    const statuses: number[] = [];
    const failures: string[] = [];
    const load = new AbortController();
    const clients = Array.from({ length: 8 }, async () => {
      while (!load.signal.aborted) {
        await new Promise<void>((resolve) => {
          get(`${url}/${alias}`, { agent }, (response) => {
            statuses.push(response.statusCode ?? 0);
            response.resume().on('end', resolve);
          }).on('error', (error: NodeJS.ErrnoException) => {
            // The port is closed, because the second of grace is over. A client would use another mapper now.
            if (error.code === 'ECONNREFUSED') load.abort();
            else failures.push(String(error));
            resolve();
          });
        });
      }
    });
    await until('load', () => statuses.length > 50);
    child.kill('SIGTERM');
    const terminatedAt = performance.now();
    await until('not ready', async () => (await send('GET', `${admin}/readyz`)).status === 503, {
      timeoutMs: 500,
      everyMs: 5,
    });
    expect((await shorten(url, { long_url: 'https://example.com/' })).status).to.equal(201);
    await Promise.all(clients);
    expect(performance.now() - terminatedAt).to.be.within(900, 3_000);
    expect(failures).to.deep.equal([]);
    expect(new Set(statuses)).to.deep.equal(new Set([302]));
    expect(await exited).to.equal(0);
    agent.destroy();
  });

  for (const host of ['another-host', hostname()]) {
    const warns = host !== hostname();
    const title = warns ? 'warns at the start' : 'does not warn';
    it(`${title} if its admin port is on loopback and a producer runs on ${warns ? 'another' : 'its'} host`, async () => {
      const { connect } = await testZooKeeper();
      const session = await Session.open({ connect, timeoutMs: 4_000, log });
      sessions.push(session);
      await session.ensurePath(PATHS.producers);
      const producer = JSON.stringify({ id: 'producer-1', capacity: 2, host });
      await session.create(producerPath('producer-1'), producer, { ephemeral: true });
      const { log: logOf } = await startProcess({ KEYMILL_ZOOKEEPER: connect, KEYMILL_LOG_LEVEL: 'debug' });
      await until('the mapper to read the hosts', () => logOf().includes('hosts of the other members read'));
      const warning = 'producers on other hosts cannot ask this mapper for its keys';
      if (warns) await until('a warning', () => logOf().includes(warning));
      else expect(logOf()).not.to.include(warning);
    }).timeout(40_000);
  }

  it('refuses to start on a map that a urls server contradicts', async () => {
    await world.start();
    const [first, second] = world.urls;
    if (first === undefined || second === undefined) throw new Error('two urls databases are needed');
    const swapped = [
      { ...first, slots: second.slots },
      { ...second, slots: first.slots },
    ];
    const outcome = await world.start({ stores: { urlsDbs: swapped } }).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(MismatchError);
  });

  it('starts while stores are down, and names them', async () => {
    const nowhere = { name: 'redis-9', url: 'redis://127.0.0.1:1' };
    const mapper = await world.start({ stores: { redis: [...world.redis, nowhere] } });
    const ready = await send('GET', `${mapper.adminUrl}/readyz`);
    expect([ready.status, ready.json()['degraded']]).to.deep.equal([200, ['redis-9']]);
    expect((await shorten(mapper.url, { long_url: 'https://example.com/' })).status).to.equal(201);
  }).timeout(20_000);

  it('has opened its connections before it is ready', async () => {
    const count = async (): Promise<number> => {
      const query = 'SELECT COUNT(*) AS open FROM information_schema.processlist WHERE db = DATABASE()';
      const [rows] = (await world.urls[0]?.sql.query(query)) ?? [];
      return Number((rows as { open: number }[])[0]?.open);
    };
    const before = await count();
    await world.start();
    expect((await count()) - before).to.be.at.least(8);
  }).timeout(20_000);

  it('names the faults of its configuration on stderr and exits with 2', async () => {
    const child = spawn(process.execPath, ['mapper/main.ts'], {
      env: {},
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).to.equal(2);
    for (const name of ['KEYMILL_REDIS', 'KEYMILL_URLS_DBS', 'KEYMILL_KEY_SECRET'])
      expect(stderr).to.contain(name);
  });

  it('announces itself under /mappers once a dead predecessor’s node is gone, and removes its own at the end', async () => {
    const zookeeper = { ...(await testZooKeeper()), sessionTimeoutMs: 4_000 };
    const observer = await Session.open({ connect: zookeeper.connect, timeoutMs: 4_000, log });
    sessions.push(observer);
    const predecessor = await Session.open({ connect: zookeeper.connect, timeoutMs: 4_000, log });
    sessions.push(predecessor);
    await observer.ensurePath('/mappers');
    await predecessor.create(mapperPath('mapper-1'), 'not ours', { ephemeral: true });
    const mapper = await world.start({ zookeeper, id: 'mapper-1' });
    expect((await shorten(mapper.url, { long_url: 'https://example.com/' })).status).to.equal(201);
    expect((await observer.get(mapperPath('mapper-1')))?.data).to.equal('not ours');
    await predecessor.close();
    const node = await until('our node', async () => {
      const found = await observer.get(mapperPath('mapper-1'));
      return found?.data.startsWith('{') === true && found;
    });
    const member = JSON.parse(node.data) as Record<string, unknown>;
    expect(member).to.include({ id: 'mapper-1', url: mapper.url, admin: mapper.adminUrl, pid: process.pid });
    expect(member['since']).to.match(/^\d{4}-.*Z$/);
    await mapper.stop();
    // Another server of the ensemble may be a moment behind.
    const isGone = async (): Promise<boolean> => (await observer.get(mapperPath('mapper-1'))) === undefined;
    await until('the node to vanish', isGone, { timeoutMs: 1_000 });
  }).timeout(60_000);
});
