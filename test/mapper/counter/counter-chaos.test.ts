import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { audit } from '../../../db/audit/audit.ts';
import type { MapperReserve } from '../../../db/audit/sources.ts';
import { openCounterMarks } from '../../../db/counter/counter-marks.ts';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { createLog } from '../../../runtime/log.ts';
import { createRandom } from '../../../runtime/random.ts';
import { AS_OPERATOR } from '../../admin-token.ts';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { MAPPER_KEYS, type MapperProcess } from '../mapper-process.ts';
import { ChaosFaults } from './chaos-faults.ts';
import { ChaosStage } from './chaos-stage.ts';

/** After each round, every link that it made is compared, and every key accounted for. */
const ROUNDS = IS_LONG ? 5 : 1;
const FAULTS = IS_LONG ? 200 : 18;
const CONNECTIONS = 64;
/** Together the clients send 600 requests per second at most. */
const PAUSE_MS = 100;
/** With all that waits for other tests on a busy machine. */
const FAULT_MS = 4_000;
const LONG = { timeoutMs: 180_000 };
/** Of the counter over its mark, or of a mark that was lifted over the counter. */
const LARGEST_LEAD = 2 ** 20;
const log = createLog('test', 'counter', 'silent');

describe('two mappers with keys by counter under random faults', () => {
  let stage: ChaosStage;
  let acknowledged: Map<string, string>;
  let surprises: string[];
  let counts: Map<number, number>;

  before(async function () {
    this.timeout(120_000);
    acknowledged = new Map();
    surprises = [];
    counts = new Map();
    stage = await ChaosStage.open();
    // A urls server that is late with its first answer could not record its slots beside another's links.
    for (const mapper of stage.mappers) await untilReady(mapper);
  });

  after(async function () {
    this.timeout(60_000);
    await stage[Symbol.asyncDispose]();
  });

  /** One connection that shortens, with a short pause, so that the faults come into many batches. */
  async function client(name: string, number: number, signal: AbortSignal): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { mappers } = stage;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const target = `https://example.com/${name}/${turn}`;
      const url = mappers[(number + turn) % mappers.length]?.url;
      const answer = url === undefined ? undefined : await post(agent, url, target);
      await delay(PAUSE_MS);
      if (answer === undefined) continue;
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      if (answer.status === 201) {
        const { unique_id: key } = JSON.parse(answer.text) as { unique_id: string };
        if (acknowledged.has(key)) surprises.push(`${key} was acknowledged twice`);
        acknowledged.set(key, target);
      } else if (answer.status !== 503) surprises.push(`${answer.status} ${answer.text}`);
    }
    agent.destroy();
  }

  async function moreLinks(count: number): Promise<void> {
    const before = acknowledged.size;
    await until(`${count} more links`, () => acknowledged.size > before + count, LONG);
  }

  it('never give a key twice, keep every acknowledged link, and account for every key', async function () {
    this.timeout(ROUNDS * (FAULTS * FAULT_MS + 120_000));
    const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    if (IS_LONG) process.stdout.write(`seed ${seed}\n`);
    const faults = new ChaosFaults(stage, createRandom(seed), async () => moreLinks(50));
    for (let round = 1; round <= ROUNDS; round += 1) {
      const before = acknowledged.size;
      await breakThings(round, faults, seed);
      const { putBacks } = stage;
      const story = `seed ${seed}, ${round * FAULTS} faults, put back ${putBacks} times, ${acknowledged.size} acknowledged, ${JSON.stringify([...counts])}`;
      await compare([...acknowledged.keys()].slice(round === ROUNDS ? 0 : before), story);
      await verify(story);
      if (IS_LONG) process.stdout.write(`${story}: all is well\n`);
    }
  });

  async function breakThings(round: number, faults: ChaosFaults, seed: number): Promise<void> {
    const stopping = new AbortController();
    const clients = Array.from({ length: CONNECTIONS }, async (_, number) =>
      client(`${round}/${number}`, number, stopping.signal),
    );
    try {
      await faults.make(FAULTS);
      stage.heal();
      for (const mapper of stage.mappers) await untilReady(mapper);
      await moreLinks(300);
    } catch (error) {
      throw new Error(`round ${round}, seed ${seed}: ${messageOf(error)}`, { cause: error });
    } finally {
      stopping.abort();
      await Promise.all(clients);
    }
  }

  /** Every one of these keys has the link that was acknowledged. */
  async function compare(keys: readonly string[], story: string): Promise<void> {
    for (const piece of inPieces(keys, 5_000)) {
      const rows = await stage.world.rows(piece);
      expect(rows.length, story).to.equal(piece.length);
      for (const { unique_id: key, original_url: target } of rows)
        expect(target, `${key}: ${story}`).to.equal(acknowledged.get(key));
    }
  }

  async function verify(story: string): Promise<void> {
    expect(surprises, story).to.deep.equal([]);
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
    const { mark, counter } = await stage.readPosition();
    expect(Math.abs(counter - mark), story).to.be.below(LARGEST_LEAD);
  }

  async function untilReady(mapper: MapperProcess | undefined): Promise<void> {
    await until(
      'a mapper to be whole again',
      async () => {
        const { degraded } = (await send('GET', `${mapper?.admin}/readyz`)).json();
        if (JSON.stringify(degraded) === '[]') return true;
        const logs = `its log: ${tailOf(mapper?.log() ?? '')}; that of Redis: ${await stage.redis.tail()}`;
        throw new Error(`degraded: ${JSON.stringify(degraded)}; ${logs}`);
      },
      LONG,
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

/** What it said last, without the attempts to reach a ZooKeeper that is not there. */
function tailOf(log: string): string {
  const lines = log.split('\n').filter((line) => !line.includes('ZooKeeper'));
  return lines.slice(-40).join('\n');
}

function inPieces<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
