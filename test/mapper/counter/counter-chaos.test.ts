import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createConnection, type Connection } from 'mysql2/promise';
import { audit } from '../../../db/audit/audit.ts';
import type { MapperReserve } from '../../../db/audit/sources.ts';
import { openCounterMarks } from '../../../db/counter/counter-marks.ts';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import { createLog } from '../../../runtime/log.ts';
import { createRandom } from '../../../runtime/random.ts';
import { AS_OPERATOR } from '../../admin-token.ts';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { isInsert, viaProxy, type Proxied } from '../faulty.ts';
import { MAPPER_KEYS, startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import { BrokenRedis } from './broken-redis.ts';

/** After each round, every acknowledged link is compared, and every key accounted for. */
const ROUNDS = IS_LONG ? 10 : 1;
const FAULTS = IS_LONG ? 100 : 18;
const CONNECTIONS = 64;
const MAPPERS = 2;
/** Together the clients send 1,000 requests per second at most. */
const PAUSE_MS = 60;
/** Ids by which the mark jumps at least: a largest batch. Between two lifts, fewer are used. */
const SHORTEST_LIFT = 90_000;
const LONG = { timeoutMs: 60_000 };
/** Of the counter over its mark, or of a mark that was lifted over the counter. */
const LARGEST_LEAD = 2 ** 20;
const log = createLog('test', 'counter', 'silent');

/** Two mappers that get their keys by counter, and everything between them and their stores. */
interface Stage {
  readonly world: World;
  readonly redis: BrokenRedis;
  readonly toRedis: Proxied;
  readonly toUsers: Proxied;
  readonly toUrls: readonly Proxied[];
  readonly direct: Redis;
  readonly users: Connection;
  readonly mappers: (MapperProcess | undefined)[];
  readonly children: Set<ChildProcess>;
  /** An earlier state of mark and counter. */
  older: { mark: number; counter: number };
}

describe('two mappers with keys by counter under random faults', () => {
  let stage: Stage;
  let acknowledged: Map<string, string>;
  let surprises: string[];
  let counts: Map<number, number>;

  before(async function () {
    this.timeout(120_000);
    const world = await createWorld({ shards: 0, hasUsers: true });
    const redis = await BrokenRedis.start('counter-redis');
    const toRedis = await viaProxy({ name: 'redis-1', url: redis.url });
    stage = {
      world,
      redis,
      toRedis: { ...toRedis, url: `redis://127.0.0.1:${toRedis.proxy.port}` },
      toUsers: await viaProxy({ name: 'users', url: world.usersUrl }),
      toUrls: await Promise.all(world.urls.map(viaProxy)),
      direct: new Redis(redis.url, {
        retryStrategy: () => 50,
        maxRetriesPerRequest: 3,
        // After a reconnect the driver may forget a command that was in flight.
        commandTimeout: 2_000,
      }),
      users: await createConnection(world.usersUrl),
      mappers: Array.from({ length: MAPPERS }, () => undefined),
      children: new Set(),
      older: { mark: 0, counter: 0 },
    };
    stage.direct.on('error', () => undefined);
    acknowledged = new Map();
    surprises = [];
    counts = new Map();
    await Promise.all(stage.mappers.map(async (_, index) => startMapper(index)));
  });

  after(async function () {
    this.timeout(60_000);
    for (const child of stage.children) child.kill('SIGKILL');
    stage.direct.disconnect();
    await stage.users.end();
    await stage.world[Symbol.asyncDispose]();
    for (const { proxy } of [stage.toRedis, stage.toUsers, ...stage.toUrls]) await proxy.stop();
  });

  async function startMapper(index: number): Promise<void> {
    const { toRedis, toUsers, toUrls, children, mappers } = stage;
    const urls = toUrls.map((proxied, at) => ({ ...proxied, slots: stage.world.urls[at]?.slots ?? [] }));
    const env = {
      KEYMILL_ID: `mapper-${index + 1}`,
      KEYMILL_KEY_SOURCE: 'counter',
      KEYMILL_USERS_DB: toUsers.url,
      KEYMILL_LOG_LEVEL: 'info',
    };
    const main = 'test/mapper/counter/small-batches-main.ts';
    mappers[index] = await startMapperProcess(
      { redis: [toRedis], urls },
      (child) => {
        children.add(child);
        child.once('exit', () => children.delete(child));
      },
      env,
      main,
    );
  }

  /** One connection that shortens, with a short pause, so that the faults come into many batches. */
  async function client(name: string, number: number, signal: AbortSignal): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let turn = 0; !signal.aborted; turn += 1) {
      const target = `https://example.com/${name}/${turn}`;
      const url = stage.mappers[(number + turn) % MAPPERS]?.url;
      const answer = url === undefined ? undefined : await post(agent, url, target);
      if (answer === undefined) {
        await delay(PAUSE_MS);
        continue;
      }
      await delay(PAUSE_MS);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      if (answer.status === 201) {
        const { unique_id: key } = JSON.parse(answer.text) as { unique_id: string };
        if (acknowledged.has(key)) surprises.push(`${key} was acknowledged twice`);
        acknowledged.set(key, target);
      } else if (answer.status !== 503) surprises.push(`${answer.status} ${answer.text}`);
    }
    agent.destroy();
  }

  async function readPosition(): Promise<{ mark: number; counter: number }> {
    const [rows] = await stage.users.query('SELECT reserved_to FROM counter_marks WHERE id = 1');
    const [{ reserved_to: mark = 0 } = {}] = rows as { reserved_to?: number }[];
    return { mark, counter: Number((await stage.direct.get('keymill:counter').catch(() => 0)) ?? 0) };
  }

  /**
   * A lift leaves a hole, which another lift from below may not see across: the audit then finds bound keys
   * above the mark until it has passed them. So nothing goes back to before a lift.
   */
  async function renewOlderAfterLift(): Promise<void> {
    const now = await readPosition();
    if (now.mark - stage.older.mark > SHORTEST_LIFT) stage.older = now;
  }

  const putBothBack = async (): Promise<unknown> => {
    await renewOlderAfterLift();
    return Promise.all([
      putMarkBack(),
      stage.direct.set('keymill:counter', stage.older.counter).catch(() => undefined),
    ]);
  };

  const putMarkBack = async (): Promise<unknown> =>
    stage.users.query('UPDATE counter_marks SET reserved_to = ? WHERE id = 1', [stage.older.mark]);

  /** Each takes as long as it needs, and `heal` follows. */
  const faults: Record<string, (random: () => number) => Promise<unknown>> = {
    'redis killed': async (random) => {
      await stage.redis.kill();
      await delay(200 * random());
      await stage.redis.restart();
    },
    'redis wiped': async () => {
      await stage.redis.kill();
      await stage.redis.restart('wiped');
    },
    'redis put back': async () => {
      await stage.redis.kill();
      await stage.redis.restart('saved');
    },
    'redis flushed': async () => stage.direct.flushall().catch(() => undefined),
    'redis stopped': async (random) => {
      stage.redis.pause();
      await delay(700 * random());
      stage.redis.resume();
    },
    'redis silent': async () => stage.toRedis.proxy.silence(),
    'redis cut': async () => stage.toRedis.proxy.cut(),
    'answer of redis cut': async () =>
      stage.toRedis.proxy.cutBeforeReplyTo((sent) => sent.includes('keymill:counter')),
    'answer of the mark cut': async () => stage.toUsers.proxy.cutBeforeReplyTo(isMarkUpdate),
    'users slow': async (random) => stage.toUsers.proxy.delay(100 * random()),
    'users silent': async () => stage.toUsers.proxy.silence(),
    'users cut': async () => stage.toUsers.proxy.cut(),
    'users put back': putMarkBack,
    'users away for seconds': async (random) => {
      stage.toUsers.proxy.silence();
      await delay(3_000 + 2_000 * random());
    },
    'both put back': putBothBack,
    'both put back, and forgotten': async () => {
      await Promise.all(restarts.splice(0));
      await Promise.all(stage.mappers.map(async (_, index) => killMapper(index)));
      await putBothBack();
      await Promise.all(stage.mappers.map(async (_, index) => startMapper(index)));
      const before = acknowledged.size;
      await until('links after all was forgotten', () => acknowledged.size > before + 50, LONG);
    },
    'answers of urls cut': async () => {
      for (const { proxy } of stage.toUrls) proxy.cutBeforeReplyTo(isInsert);
    },
    'mapper killed': async (random) => {
      const index = Math.floor(random() * MAPPERS);
      if (await killMapper(index)) restarts.push(startMapper(index));
    },
  };
  const restarts: Promise<void>[] = [];

  /** @returns false when it is still on its way from the last time */
  async function killMapper(index: number): Promise<boolean> {
    const mapper = stage.mappers[index];
    if (mapper === undefined) return false;
    stage.mappers[index] = undefined;
    mapper.child.kill('SIGKILL');
    await mapper.exited;
    return true;
  }

  function heal(): void {
    for (const { proxy } of [stage.toRedis, stage.toUsers, ...stage.toUrls]) proxy.heal();
  }

  /** @returns how many faults it made */
  async function breakThings(random: () => number): Promise<number> {
    const names = Object.keys(faults);
    await stage.redis.save();
    for (let number = 0; number < FAULTS; number += 1) {
      // Every fault once, then by chance.
      const name = names[number < names.length ? number : Math.floor(random() * names.length)] ?? '';
      await faults[name]?.(random);
      await delay(50 + random() * 150);
      heal();
      if (random() < 0.2) {
        await stage.redis.save();
        stage.older = await readPosition();
      }
    }
    await Promise.all(restarts.splice(0));
    return FAULTS;
  }

  it('never give a key twice, keep every acknowledged link, and account for every key', async function () {
    this.timeout(ROUNDS * (FAULTS * 3_000 + 120_000));
    const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = createRandom(seed);
    for (let round = 1; round <= ROUNDS; round += 1) {
      const stopping = new AbortController();
      const clients = Array.from({ length: CONNECTIONS }, async (_, number) =>
        client(`${round}/${number}`, number, stopping.signal),
      );
      const faultsMade = await breakThings(random);
      heal();
      for (const mapper of stage.mappers) await untilReady(mapper);
      const before = acknowledged.size;
      await until('links after the faults', () => acknowledged.size > before + 300, LONG);
      stopping.abort();
      await Promise.all(clients);
      const story = `seed ${seed}, ${(round - 1) * FAULTS + faultsMade} faults, ${acknowledged.size} acknowledged, ${JSON.stringify([...counts])}`;
      await verify(story);
      if (IS_LONG) process.stdout.write(`${story}: all is well\n`);
    }
  });

  async function verify(story: string): Promise<void> {
    expect(surprises, story).to.deep.equal([]);
    for (const keys of inPieces([...acknowledged.keys()], 5_000)) {
      const rows = await stage.world.rows(keys);
      expect(rows.length, story).to.equal(keys.length);
      for (const { unique_id: key, original_url: target } of rows)
        expect(target, `${key}: ${story}`).to.equal(acknowledged.get(key));
    }
    for (const mapper of stage.mappers)
      for (const [key, target] of [...acknowledged].slice(-50)) {
        // 503: on a busy machine a urls server may be late. It says nothing about the link.
        const answer = await until(`${key} to be followed`, async () => {
          const one = await send('GET', `${mapper?.url}/${key}`);
          return one.status === 503 ? undefined : one;
        });
        expect(answer.headers.location, `${answer.status} ${answer.text} ${story}`).to.equal(target);
      }
    const report = await auditAll();
    const sound = { balanced: true, duplicates: 0, leaked: 0, unknown: 0, unreachable: [] };
    expect(report, story).to.deep.include(sound);
    expect(report.bound, story).to.be.at.least(acknowledged.size);
    // No outage has made it run away.
    const { mark, counter } = await readPosition();
    expect(Math.abs(counter - mark), story).to.be.below(LARGEST_LEAD);
  }

  async function untilReady(mapper: MapperProcess | undefined): Promise<void> {
    await until(
      'a mapper to be whole again',
      async () => {
        const { degraded } = (await send('GET', `${mapper?.admin}/readyz`)).json();
        return JSON.stringify(degraded) === '[]';
      },
      { timeoutMs: 60_000 },
    );
  }

  async function auditAll(): Promise<Awaited<ReturnType<typeof audit>>> {
    await using stack = new AsyncDisposableStack();
    const keyspace = createKeyspace(MAPPER_KEYS);
    const marks = openCounterMarks({ url: stage.world.usersUrl });
    stack.defer(async () => marks.close());
    const urlsDbs = stage.world.urls.map((urls) => openUrlsDb({ ...urls, log }));
    for (const urlsDb of urlsDbs) stack.defer(async () => urlsDb.close());
    const reserves = async (): Promise<MapperReserve[]> =>
      Promise.all(
        stage.mappers.map(async (mapper, index) => {
          const answer = await send('GET', `${mapper?.admin}/reserve`, { headers: AS_OPERATOR });
          const held = answer.json() as Pick<MapperReserve, 'keys' | 'ranges'>;
          return { ...held, mapper: `mapper-${index + 1}` };
        }),
      );
    const counter = { region: 2 ** MAPPER_KEYS.regionBits - 1, marks };
    return await audit({ keyspace, keysDbs: [], pools: [], urlsDbs, counter, reserves });
  }
});

function isMarkUpdate(sent: Buffer): boolean {
  return sent.includes('UPDATE counter_marks');
}

/** @returns undefined when the connection broke: its mapper was killed, or is not there yet */
async function post(
  agent: Agent,
  url: string,
  target: string,
): Promise<{ status: number; text: string } | undefined> {
  const { hostname, port } = new URL(url);
  const headers = { 'content-type': 'application/json' };
  const outgoing = request({ agent, method: 'POST', hostname, port, path: '/urls', headers });
  try {
    outgoing.end(JSON.stringify({ long_url: target }));
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
  } catch {
    return undefined;
  }
}

function inPieces<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
