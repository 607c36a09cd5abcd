import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openClicksDb } from '../../db/clicks/clicks-db.ts';
import { Balancer } from '../../drills/load/balancer.ts';
import { identityOf, isRunning, waitUntilGone } from '../../scripts/servers/identity.ts';
import { AS_OPERATOR } from '../admin-token.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { processesOf, startMapperProcess, type MapperProcess } from './mapper-process.ts';
import { createWorld, type World } from './world.ts';

/** On a busy machine a process needs seconds to start. */
const PATIENT = { timeoutMs: 30_000 };

describe('a mapper of several processes', () => {
  let world: World;
  const children: ChildProcess[] = [];

  beforeEach(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 200 });
  });

  afterEach(async function () {
    this.timeout(60_000);
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  async function start(env: Record<string, string> = {}): Promise<MapperProcess> {
    return startMapperProcess(world, (child) => children.push(child), { KEYMILL_PROCESSES: '2', ...env });
  }

  function successorOf(mapper: MapperProcess, before: readonly number[]): number | undefined {
    return processesOf(mapper).find((pid) => !before.includes(pid));
  }

  async function pooled(): Promise<number> {
    const levels = await Promise.all(world.redis.map(async ({ client }) => client.llen('keys:available')));
    return levels.reduce((sum, level) => sum + level, 0);
  }

  async function link(url: string): Promise<string> {
    const answer = await shorten(url, { long_url: 'https://example.com/' });
    expect(answer.status, answer.text).to.equal(201);
    return String(answer.json()['unique_id']);
  }

  async function metric(admin: string, name: string): Promise<number> {
    const { text } = await send('GET', `${admin}/metrics`);
    const lines = text.split('\n').filter((line) => line.startsWith(`keymill_${name}`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  it('serves one port with all processes, reports for all of them, and ends on SIGTERM with every key back', async () => {
    const mapper = await start();
    const { url, admin, child, exited } = mapper;
    expect(processesOf(mapper)).to.have.length(2);
    const keys: string[] = [];
    for (let request = 0; request < 20; request += 1) keys.push(await link(url));
    for (const key of keys) expect((await send('GET', `${url}/${key}`)).status).to.equal(302);
    // The last request may have started a take, whose keys are in neither place until its answer comes.
    await until('every unused key to be in a reserve or in a pool', async () => {
      const { keys: held } = (await send('GET', `${admin}/reserve`, { headers: AS_OPERATOR })).json();
      return (held as string[]).length + (await pooled()) === 380;
    });
    expect(await metric(admin, 'shortens_total')).to.equal(20);
    expect(await metric(admin, 'redirects_total')).to.equal(20);
    const levels = (await send('GET', `${admin}/metrics`)).text.match(/^keymill_pool_level.* (\d+)$/gm) ?? [];
    expect(levels).to.have.length(2);
    expect((await send('GET', `${admin}/readyz`)).json()).to.deep.include({ ok: true, degraded: [] });
    child.kill('SIGTERM');
    await until('not ready', async () => (await send('GET', `${admin}/readyz`)).status === 503);
    expect(await exited).to.equal(0);
    expect(await pooled()).to.equal(380);
    // Both stored what they had counted.
    const dbs = world.urls.map((urlsDb) => openClicksDb(urlsDb));
    for (const key of keys) expect((await dbs[slotOf(key) < 16 ? 0 : 1]?.of(key))?.total).to.equal(1);
    await Promise.all(dbs.map(async (db) => db.close()));
  }).timeout(60_000);

  it('replaces a process that is killed, while others serve and the counters do not fall', async () => {
    const mapper = await start();
    const { url, admin } = mapper;
    const keys: string[] = [];
    for (let request = 0; request < 10; request += 1) keys.push(await link(url));
    expect(await metric(admin, 'shortens_total')).to.equal(10);
    const [first, second] = processesOf(mapper);
    if (first === undefined || second === undefined) throw new Error('two processes are needed');
    process.kill(first, 'SIGKILL');
    await until('its death', () => identityOf(first) === undefined);
    for (const key of keys) expect((await follow(`${url}/${key}`)).status).to.equal(302);
    await until('readiness', async () => (await send('GET', `${admin}/readyz`)).status === 200);
    await until(
      'another',
      () => processesOf(mapper).length === 2 && !processesOf(mapper).includes(first),
      PATIENT,
    );
    const isWhole = async (): Promise<boolean> =>
      ((await send('GET', `${admin}/readyz`)).json()['degraded'] as string[]).length === 0;
    await until('both to serve', isWhole, PATIENT);
    expect(await metric(admin, 'shortens_total')).to.equal(10);
    expect(await metric(admin, 'redirects_total')).to.be.at.least(10);
  }).timeout(60_000);

  it('does not report which keys it holds when one process does not answer', async () => {
    const mapper = await start();
    const [first] = processesOf(mapper);
    if (first === undefined) throw new Error('a process is needed');
    await link(mapper.url);
    expect((await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR })).status).to.equal(200);
    process.kill(first, 'SIGSTOP');
    expect((await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR })).status).to.be.at.least(
      400,
    );
    // The kernel still gives it connections.
    const readiness = await send('GET', `${mapper.admin}/readyz`);
    expect(readiness.status).to.equal(503);
    expect(readiness.json()['degraded']).to.have.length(1);
    process.kill(first, 'SIGCONT');
    await until(
      'an answer',
      async () => (await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR })).status === 200,
    );
  }).timeout(60_000);

  it('reports which keys it holds while the successor of a dead process is loading, because that has none', async () => {
    const mapper = await start();
    await link(mapper.url);
    const isComplete = async (): Promise<boolean> => {
      const before = processesOf(mapper);
      process.kill(before[0] ?? 0, 'SIGKILL');
      const successor = await until('a successor', () => successorOf(mapper, before), {
        ...PATIENT,
        everyMs: 5,
      });
      // Loading takes a tenth of a second or more.
      process.kill(successor, 'SIGSTOP');
      const { status } = await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR });
      process.kill(successor, 'SIGCONT');
      return status === 200;
    };
    // A successor that was stopped too late may hold keys. Then we repeat with the next one.
    await until('an answer without it', isComplete, PATIENT);
  }).timeout(90_000);

  it('kills and replaces one that hangs', async () => {
    const mapper = await start();
    const [first] = processesOf(mapper);
    if (first === undefined) throw new Error('a process is needed');
    process.kill(first, 'SIGSTOP');
    await until('its end', () => identityOf(first) === undefined, PATIENT);
    await until('another', () => processesOf(mapper).length === 2, PATIENT);
    await until(
      'both',
      async () => (await send('GET', `${mapper.admin}/reserve`, { headers: AS_OPERATOR })).status === 200,
      PATIENT,
    );
  }).timeout(90_000);

  it('ends its processes when it is killed, and they return their keys', async () => {
    const mapper = await start();
    const identities = processesOf(mapper).map((pid) => identityOf(pid));
    for (let request = 0; request < 10; request += 1) await link(mapper.url);
    mapper.child.kill('SIGKILL');
    for (const identity of identities) {
      if (identity === undefined || !isRunning(identity)) continue;
      expect(await waitUntilGone(identity, 30_000)).to.equal(true);
    }
    expect(await pooled()).to.equal(390);
  }).timeout(60_000);

  it('fails no request on SIGTERM under load through a balancer', async () => {
    // More than two clients can use while both mappers start and one of them stops.
    for (const shard of [0, 1]) await world.fill(shard, 30_000);
    const leaving = await start();
    const staying = await start({ KEYMILL_ID: 'mapper-2', KEYMILL_PROCESSES: '1' });
    const backends = [leaving, staying].map(({ url, admin }, index) => ({
      id: `mapper-${index + 1}`,
      url,
      admin,
    }));
    const key = await link(leaving.url);
    const balancer = new Balancer(() => backends);
    const answered = new Map<string, number>();
    const failures: unknown[] = [];
    const load = new AbortController();
    const client = async (json?: string): Promise<void> => {
      while (!load.signal.aborted) {
        const path = json === undefined ? `/${key}` : '/urls';
        const result = await balancer.send({ path, timeoutMs: 15_000, ...(json !== undefined && { json }) });
        const wanted = json === undefined ? 302 : 201;
        if (result.kind === 'answer' && result.status === wanted)
          answered.set(result.via, (answered.get(result.via) ?? 0) + 1);
        else failures.push(result);
      }
    };
    const json = JSON.stringify({ long_url: 'https://example.com/' });
    const clients = [...Array.from({ length: 8 }, async () => client()), client(json), client(json)];
    try {
      await until('load on both', () => backends.every(({ id }) => (answered.get(id) ?? 0) > 20));
      leaving.child.kill('SIGTERM');
      expect(await leaving.exited).to.equal(0);
      const after = answered.get('mapper-2') ?? 0;
      await until('load on the other', () => (answered.get('mapper-2') ?? 0) > after + 20);
    } finally {
      load.abort();
      await Promise.all(clients);
      await balancer.stop();
    }
    expect(failures).to.deep.equal([]);
  }).timeout(90_000);

  it('is asked to stop by its parent and by a signal to the whole group, and stops once', async () => {
    const mapper = await start();
    for (let request = 0; request < 10; request += 1) await link(mapper.url);
    const pids = processesOf(mapper);
    mapper.child.kill('SIGTERM');
    await until('the children to stop', () => mapper.log().split('asks to stop').length > pids.length);
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    expect(await mapper.exited).to.equal(0);
    expect(await pooled()).to.equal(390);
  }).timeout(60_000);

  it('ends like a mapper of one process when it cannot start', async () => {
    const first = await start();
    const port = new URL(first.url).port;
    const outcome = await start({ KEYMILL_HTTP_PORT: port }).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(Error);
    const second = children.at(-1);
    await until('its end', () => second?.exitCode === 1, PATIENT);
  }).timeout(60_000);
});

/**
 * As a balancer does: repeats a request that the kernel reset, because it was in the queue of a process that
 * died.
 */
async function follow(url: string): Promise<Answer> {
  return until('an answer', async () => send('GET', url));
}
