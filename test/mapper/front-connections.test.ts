import { execFileSync, type ChildProcess } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { mean, median, percentile } from '../../runtime/statistics.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { IS_LONG } from '../long.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { startMapperProcess, type MapperProcess } from './mapper-process.ts';
import { startPipeliners } from './pipeliners.ts';
import { RUDE_KINDS, RudeClients, type RudeKind } from './rude-clients.ts';
import { createWorld, type World } from './world.ts';

/** How many of each there are at the same time. A stalled client first takes 27,000 answers. */
const RUDE: Readonly<Record<RudeKind, number>> = {
  slow: 400,
  stalled: IS_LONG ? 400 : 20,
  halfOpen: 100,
  silent: 100,
  resetting: 20,
};

const ATTACK_MS = IS_LONG ? 120_000 : 4_000;
/** The system may allow fewer descriptors, of which a process needs some for all else. */
const IDLE = IS_LONG ? Math.min(20_000, mostDescriptors() - 1_000) : 2_000;
const WAVES = IS_LONG ? 20 : 5;
/** Requests of clients that pipeline and break off. */
const REQUESTS = IS_LONG ? 10_000_000 : 100_000;

const GET = 'GET /followed HTTP/1.1\r\nHost: x\r\n\r\n';

describe('a mapper among many connections', function () {
  this.timeout(IS_LONG ? 0 : 60_000);
  let world: World;
  let mapper: MapperProcess;
  let port: number;
  let bytesOfAnswer: number;
  const children: ChildProcess[] = [];

  before(async () => {
    world = await createWorld({ shards: 1, databases: 1, keys: 20_000 });
    mapper = await startMapperProcess(world, (child) => children.push(child));
    port = Number(new URL(mapper.url).port);
    const made = await shorten(mapper.url, { long_url: 'https://example.com/', custom_alias: 'followed' });
    expect(made.status).to.equal(201);
    bytesOfAnswer = await sizeOfAnswer();
  });

  afterEach(() => expect(mapper.child.exitCode, mapper.log()).to.equal(null));

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
  });

  async function sizeOfAnswer(): Promise<number> {
    const socket = connect(port, '127.0.0.1');
    let bytes = 0;
    socket.on('data', (chunk) => (bytes += chunk.length));
    socket.write(GET);
    await until('an answer', () => bytes > 0);
    socket.destroy();
    return bytes;
  }

  /** Follows the link again and again. Returns how long each request took, shortest first. */
  async function followFor(ms: number): Promise<number[]> {
    const tookMs: number[] = [];
    const endMs = performance.now() + ms;
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      expect((await send('GET', `${mapper.url}/followed`)).status).to.equal(302);
      tookMs.push(performance.now() - startedMs);
    }
    return tookMs.sort((a, b) => a - b);
  }

  function expectQuick(tookMs: readonly number[], calmMs: number): void {
    const meanMs = mean(tookMs);
    const p99 = percentile(tookMs, 0.99);
    const story = `${tookMs.length} requests, mean ${meanMs} ms, p99 ${p99} ms, longest ${tookMs.at(-1)} ms, calm ${calmMs} ms`;
    if (IS_LONG) process.stdout.write(`    ${story}\n`);
    // On a machine with other work single requests take longer.
    expect(meanMs, story).to.be.lessThan(100 + 5 * calmMs);
  }

  /** Waits until no client that stalls can send more. A busy mapper may take nothing for a moment. */
  async function untilStuck(rude: RudeClients): Promise<void> {
    let bytesBefore = -1;
    let looks = 0;
    const isStuck = (): boolean => {
      const bytes = rude.stalledBytes;
      looks = bytes === bytesBefore ? looks + 1 : 0;
      bytesBefore = bytes;
      return looks === 4;
    };
    await until('clients to be stuck', isStuck, { timeoutMs: IS_LONG ? 300_000 : 30_000, everyMs: 250 });
  }

  /** Connections of clients that the mapper has, by who serves them. */
  async function connections(): Promise<{ front: number; node: number }> {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const { text } = await send('GET', `${mapper.admin}/metrics`, { headers });
    const of = (name: string): number =>
      Number(
        new RegExp(`^keymill_http_connections\\{.*served_by="${name}".*\\} (\\d+)$`, 'm').exec(text)?.[1],
      );
    return { front: of('front'), node: of('node_http') };
  }

  async function untilNoneIsLeft(timeoutMs: number): Promise<void> {
    let left = '';
    await until(
      'no connection to be left',
      async () => {
        const { front, node } = await connections();
        left = `${front} at the front, ${node} at Node`;
        return front + node === 0;
      },
      { timeoutMs, everyMs: 100 },
    ).catch(() => undefined);
    expect(left).to.equal('0 at the front, 0 at Node');
  }

  function memoryMiB(): number {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(mapper.child.pid)]).toString()) / 2 ** 10;
  }

  it('answers others quickly while clients are slow, stall, are half-open, silent, reset and pipeline', async () => {
    const calm = median(await followFor(500));
    using rude = new RudeClients(port);
    for (const kind of RUDE_KINDS) if (kind !== 'stalled') rude.add(kind, RUDE[kind]);
    const areConnected = async (): Promise<boolean> => {
      const { front, node } = await connections();
      return front + node >= RUDE.slow + RUDE.silent;
    };
    await until('all connections', areConnected, { timeoutMs: 60_000, everyMs: 100 });
    // Those who stall keep the mapper busy until they are stuck, and it accepts one connection in a turn. On
    // a slow machine the first silent ones would be refused before the last ones are accepted.
    rude.add('stalled', RUDE.stalled);
    await untilStuck(rude);
    const pipeliners = await startPipeliners({ port, request: GET, forMs: ATTACK_MS });
    const tookMs = await followFor(ATTACK_MS);
    expect(rude.size).to.be.greaterThan(500);
    expect(rude.resets).to.be.greaterThan(10);
    expect(await pipeliners.bytes).to.be.greaterThan(1_000_000);
    expectQuick(tookMs, calm);
    rude[Symbol.dispose]();
    await untilNoneIsLeft(10_000);
  });

  it('keeps no connection and no memory of clients that come and go', async () => {
    const memory: number[] = [];
    for (let wave = 0; wave < WAVES; wave += 1) {
      using rude = new RudeClients(port);
      for (const kind of RUDE_KINDS) rude.add(kind, RUDE[kind]);
      await until('many resets', () => rude.resets > 50);
      rude[Symbol.dispose]();
      await untilNoneIsLeft(10_000);
      await world.fill(0, 5_000);
      memory.push(memoryMiB());
    }
    if (IS_LONG) process.stdout.write(`    MiB after each wave: ${memory.map(Math.round).join(' ')}\n`);
    // The first waves make the heap as large as it needs to be.
    expect(memory.at(-1), memory.join(' ')).to.be.lessThan((memory[1] ?? 0) * 1.25 + 20);
  });

  it('has room for idle connections, which cost others no time', async () => {
    const calm = median(await followFor(500));
    const before = memoryMiB();
    const sockets: Socket[] = [];
    let answered = 0;
    for (let count = 0; count < IDLE; count += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.once('data', () => (answered += 1));
      socket.write(GET);
      sockets.push(socket);
      // No more than may wait to be accepted.
      if (count % 500 === 499) await until('answers', () => answered === count + 1);
    }
    expect((await connections()).front).to.be.at.least(IDLE);
    const kib = ((memoryMiB() - before) * 1_024) / IDLE;
    expectQuick(await followFor(2_000), calm);
    if (IS_LONG) process.stdout.write(`    ${IDLE} idle connections, ${kib.toFixed(1)} KiB for each\n`);
    expect(kib).to.be.lessThan(30);
    for (const socket of sockets) socket.destroy();
    await untilNoneIsLeft(20_000);
  });

  it('answers requests of clients that pipeline and break off at random', async () => {
    const bytes = REQUESTS * bytesOfAnswer;
    const before = memoryMiB();
    const startedMs = performance.now();
    const options = { port, request: GET, clients: 50, resets: true, bytes, forMs: 3_600_000 };
    const pipeliners = await startPipeliners(options);
    expect(await pipeliners.bytes).to.be.at.least(bytes);
    await untilNoneIsLeft(10_000);
    const perSecond = (REQUESTS / (performance.now() - startedMs)) * 1_000;
    const story = `${Math.round(perSecond)} requests/s, memory ${Math.round(before)} to ${Math.round(memoryMiB())} MiB`;
    if (IS_LONG) process.stdout.write(`    ${story}\n`);
    expect(memoryMiB(), story).to.be.lessThan(before * 1.25 + 60);
  });
});

function mostDescriptors(): number {
  const limit = execFileSync('sh', ['-c', 'ulimit -H -n']).toString().trim();
  return limit === 'unlimited' ? Infinity : Number(limit);
}
