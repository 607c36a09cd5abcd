import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { createRandom } from '../../../runtime/random.ts';
import { startWire, through } from '../../db/wire.ts';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { processesOf, startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import { countEach, kindIn, storeLink } from './ruled-links.ts';

const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? randomBytes(4).readUInt32BE());
const AT_ONCE = 200;
const ONE_TIME_ROUNDS = IS_LONG ? 50 : 5;
const MAX_VISITS = 1_000;
const CONNECTIONS = 64;
const KILL_ROUNDS = IS_LONG ? 20 : 2;
/** Answers to UPDATEs that are cut off in one round, besides the kill -9. */
const CUTS = 3;

/** `unanswered`: the connection broke before an answer. */
type Visit = 'redirected' | 'link-used-up' | 'visit-unknown' | 'unanswered' | 'refused';

describe(`visits of a link over two mappers of two processes (seed ${SEED})`, function () {
  this.timeout(60_000 + (ONE_TIME_ROUNDS + KILL_ROUNDS) * 10_000);
  const random = createRandom(SEED);
  const children: ChildProcess[] = [];
  const wires: FaultyProxy[] = [];
  const mappers: MapperProcess[] = [];
  /** The processes of each mapper. To look for them takes longer than the visits in flight. */
  const processes: number[][] = [];
  /** The mapper that is killed and not started again yet. */
  let down: number | undefined;
  let world: World;

  before(async () => {
    world = await createWorld();
    for (let at = 0; at < 2; at += 1) wires.push(await startWire(world.urls[0]?.url ?? ''));
    await Promise.all(wires.map(async (_, at) => startMapper(at)));
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(mappers.map(async ({ exited }) => exited));
    await world[Symbol.asyncDispose]();
    for (const wire of wires) await wire.stop();
  });

  /** Each mapper has a network of its own to the urls servers. */
  async function startMapper(at: number): Promise<void> {
    const wire = wires[at] as FaultyProxy;
    const urls = world.urls.map((server) => ({ ...server, url: through(wire, server.url) }));
    const env = { KEYMILL_ID: `mapper-${at + 1}`, KEYMILL_PROCESSES: '2' };
    mappers[at] = await startMapperProcess(
      { redis: world.redis, urls },
      (child) => children.push(child),
      env,
    );
    processes[at] = processesOf(mappers[at]);
  }

  async function visit(key: string, at: number): Promise<Visit> {
    const { url } = mappers[at] as MapperProcess;
    const answer = await send('GET', `${url}/${key}`).catch((error: unknown) => error as { code: string });
    if ('code' in answer) return answer.code === 'ECONNREFUSED' ? 'refused' : 'unanswered';
    if (answer.status === 302) {
      expect(answer.headers.location).to.equal(`https://example.com/${key}`);
      expect(answer.headers['cache-control']).to.equal('no-store');
      return 'redirected';
    }
    const kind = kindIn(answer.text);
    if (kind === 'link-used-up' || kind === 'visit-unknown') return kind;
    expect(answer.status, answer.text).to.equal(503);
    return 'refused';
  }

  it(`${AT_ONCE} at the same time at a one-time link: one redirect`, async () => {
    for (let round = 0; round < ONE_TIME_ROUNDS; round += 1) {
      const key = await storeLink(world, { rules: { maxVisits: 1 } });
      const visits = await Promise.all(Array.from({ length: AT_ONCE }, async (_, at) => visit(key, at % 2)));
      expect(countEach(visits)).to.deep.equal({ redirected: 1, 'link-used-up': AT_ONCE - 1 });
    }
  });

  it(`${MAX_VISITS} visits under ${CONNECTIONS} connections, with kill -9 and answers cut off: never more`, async () => {
    let unanswered = 0;
    for (let round = 0; round < KILL_ROUNDS; round += 1) {
      const key = await storeLink(world, { rules: { maxVisits: MAX_VISITS } });
      const visits: Visit[] = [];
      const killed = Math.floor(random() * 2);
      const restarted = killWhen(() => countEach(visits)['redirected'] ?? 0, killed);
      const cuts = cutAnswers(() => visits.length);
      // Each asks until it is told that there is no visit left.
      await Promise.all(
        Array.from({ length: CONNECTIONS }, async (_, at) => {
          for (;;) {
            const chosen = (at + visits.length) % 2;
            const result = await visit(key, chosen === down ? 1 - chosen : chosen);
            visits.push(result);
            if (result === 'link-used-up') return;
          }
        }),
      );
      const cut = cuts.end();
      await restarted;
      const counts = countEach(visits);
      const story = JSON.stringify({ round, killed, cut, ...counts });
      const redirected = counts['redirected'] ?? 0;
      const lost = (counts['visit-unknown'] ?? 0) + (counts['unanswered'] ?? 0);
      expect(redirected, story).to.be.at.most(MAX_VISITS);
      expect(redirected + lost, story).to.be.at.least(MAX_VISITS);
      expect(cut, 'answers that were cut off').to.be.at.least(1);
      unanswered += counts['unanswered'] ?? 0;
      if (IS_LONG) process.stdout.write(`    ${story}\n`);
    }
    expect(unanswered, 'visitors who noticed a kill -9').to.be.at.least(1);
  });

  /** Kills a mapper by kill -9 in the middle of the visits, and starts another one in its place. */
  async function killWhen(redirected: () => number, at: number): Promise<void> {
    const after = Math.floor(MAX_VISITS * (0.2 + 0.4 * random()));
    await until('visits to be given', () => redirected() >= after, { everyMs: 1 });
    const mapper = mappers[at] as MapperProcess;
    down = at;
    for (const pid of processes[at] ?? []) process.kill(pid, 'SIGKILL');
    mapper.child.kill('SIGKILL');
    await mapper.exited;
    await startMapper(at);
    down = undefined;
  }

  /** Cuts off some of the answers to UPDATEs. */
  function cutAnswers(visits: () => number): { end: () => number } {
    let cut = 0;
    const limits = Array.from({ length: CUTS }, () => Math.floor(MAX_VISITS * 0.7 * random())).sort(
      (a, b) => a - b,
    );
    const lose = (wire: FaultyProxy): void =>
      wire.cutBeforeReplyTo((sent) => {
        const due = limits[0];
        if (due === undefined || visits() < due || !sent.includes('SET visits_left')) return false;
        limits.shift();
        cut += 1;
        queueMicrotask(() => lose(wire));
        return true;
      });
    for (const wire of wires) lose(wire);
    return {
      end: () => {
        for (const wire of wires) wire.heal();
        return cut;
      },
    };
  }
});
