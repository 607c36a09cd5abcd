import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { History, readHistory, type HistoryEntry } from '../../drills/history/history.ts';
import { Balancer, type Backend } from '../../drills/load/balancer.ts';
import { LinkSample, targetOf } from '../../drills/load/links.ts';
import { judgeRedirect, judgeShorten, Load } from '../../drills/load/load.ts';
import { createRandom } from '../../runtime/random.ts';
import { until } from '../until.ts';

const started: Server[] = [];

/** A mapper with these answers. */
async function fakeMapper(
  id: string,
  answer: RequestListener,
  isReady: () => boolean = () => true,
): Promise<{ id: string; url: string; admin: string; server: Server }> {
  const server = createServer((request, response) => {
    if (request.url === '/readyz') response.writeHead(isReady() ? 200 : 503).end();
    else answer(request, response);
  });
  started.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { id, url, admin: url, server };
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

const POST = { path: '/urls', json: '{}', timeoutMs: 2_000 };
const GET = { path: '/abc', timeoutMs: 2_000 };

describe('the balancer of the load client', () => {
  let balancer: Balancer | undefined;

  afterEach(async () => {
    await balancer?.stop();
    await Promise.all(started.splice(0).map(stop));
  });

  it('leaves out a mapper until it is ready', async () => {
    let isReady = false;
    const first = await fakeMapper(
      'first',
      (_, response) => void response.end('1'),
      () => isReady,
    );
    const second = await fakeMapper('second', (_, response) => void response.end('2'));
    balancer = new Balancer(() => [first, second]);
    const ask = async (): Promise<string> => (await balancer?.send(GET))?.via ?? '';
    await until('only the ready mapper to answer', async () => {
      const answers = await Promise.all([ask(), ask(), ask(), ask()]);
      return answers.every((via) => via === 'second');
    });
    isReady = true;
    await until('the first mapper to answer again', async () => (await ask()) === 'first');
  });

  it('follows a mapper that was restarted at another address', async () => {
    const before = await fakeMapper('mapper', (_, response) => void response.end('before'));
    const after = await fakeMapper('mapper', (_, response) => void response.end('after'));
    let current = before;
    const following = new Balancer(() => [current]);
    balancer = following;
    await stop(before.server);
    current = after;
    await until('the mapper to answer at its new address', async () => {
      const answer = await following.send(GET);
      return answer.kind === 'answer' && answer.body === 'after';
    });
  });

  it('tries another mapper when a connection is refused, also for a POST', async () => {
    const dead = await fakeMapper('dead', () => undefined);
    const live = await fakeMapper('live', (_, response) => void response.writeHead(201).end());
    await stop(dead.server);
    balancer = new Balancer(() => [dead, live]);
    for (let i = 0; i < 4; i++) expect(await balancer.send(POST)).to.include({ kind: 'answer', via: 'live' });
  });

  it('repeats a GET when the connection closes before the answer, but never a POST', async () => {
    let posts = 0;
    const cutting: RequestListener = (request) => {
      if (request.method === 'POST') posts += 1;
      request.socket.destroy();
    };
    const cutter = await fakeMapper('cutter', cutting);
    const live = await fakeMapper('live', (_, response) => void response.end('ok'));
    balancer = new Balancer(() => [cutter, live]);
    const gets = await Promise.all([balancer.send(GET), balancer.send(GET)]);
    expect(gets.map(({ via }) => via)).to.deep.equal(['live', 'live']);
    const results = [await balancer.send(POST), await balancer.send(POST)];
    expect(results.map(({ kind }) => kind)).to.have.members(['closed', 'answer']);
    expect(posts).to.equal(1);
  });
});

describe('the load client', () => {
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keymill-load-'));
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map(stop));
    rmSync(folder, { recursive: true });
  });

  it('checks no mapper after it is disposed', async () => {
    const mapper = await fakeMapper('mapper-1', (_, response) => response.writeHead(503).end());
    let looks = 0;
    const mappers = (): Backend[] => {
      looks += 1;
      return [mapper];
    };
    const history = new History(join(folder, 'history.jsonl'));
    {
      await using load = new Load({ runId: 'test', rate: 100, mappers, history, random: createRandom(1) });
      await load.stop();
    }
    const before = looks;
    // Longer than the pause between two checks of the balancer.
    await pause(300);
    expect(looks).to.equal(before);
    await history.close();
  });

  it('sends at a constant rate, follows acknowledged links, and records every request', async () => {
    const links = new Map<string, string>();
    const mapper = await fakeMapper('mapper-1', (request, response) => {
      if (request.method === 'GET') {
        response.writeHead(302, { location: links.get((request.url ?? '').slice(1)) ?? '' }).end();
        return;
      }
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        const { long_url } = JSON.parse(body) as { long_url: string };
        const unique_id = `key${links.size}`;
        links.set(unique_id, long_url);
        response.writeHead(201).end(JSON.stringify({ unique_id, long_url }));
      });
    });
    const history = new History(join(folder, 'history.jsonl'));
    const load = new Load({
      runId: 'test',
      rate: 100,
      mappers: () => [mapper],
      history,
      random: createRandom(1),
    });
    await until('50 acknowledgements', () => load.acked >= 50);
    const seconds = history.nowMs / 1000;
    await load[Symbol.asyncDispose]();
    await history.close();
    const entries: HistoryEntry[] = [];
    for await (const entry of readHistory(history.path)) entries.push(entry);
    const shortens = entries.filter(({ op }) => op === 'shorten');
    const redirects = entries.filter((entry) => entry.op === 'redirect');
    expect(shortens.length).to.be.within(50, 100 * seconds + 10);
    expect(redirects.length).to.be.greaterThan(4 * shortens.length);
    expect(redirects.every((entry) => entry.outcome === 'right')).to.equal(true);
  });

  it('calls a timeout unknown, 503 refused, and 404 of an acknowledged link lost', () => {
    const target = targetOf('test', 1);
    const via = 'mapper-1';
    const answer = (status: number, body = '', location?: string): Parameters<typeof judgeShorten>[0] => ({
      kind: 'answer',
      status,
      headers: location === undefined ? {} : { location },
      body,
      via,
    });
    const made = JSON.stringify({ unique_id: 'abc', long_url: target });
    expect(judgeShorten(answer(201, made), target)).to.deep.equal({ outcome: 'acked', key: 'abc' });
    expect(judgeShorten(answer(503), target)).to.deep.equal({ outcome: 'refused' });
    expect(judgeShorten(answer(500), target)).to.deep.equal({ outcome: 'failed' });
    expect(judgeShorten({ kind: 'timeout', via }, target)).to.deep.equal({ outcome: 'unknown' });
    expect(
      judgeShorten({ kind: 'closed', reused: true, reason: 'ECONNRESET', via }, target).outcome,
    ).to.equal('failed');
    expect(judgeRedirect(answer(302, '', target), target)).to.equal('right');
    expect(judgeRedirect(answer(302, '', 'https://example.com/'), target)).to.equal('wrong');
    expect(judgeRedirect(answer(404), target)).to.equal('lost');
    expect(judgeRedirect(answer(410), target)).to.equal('lost');
    expect(judgeRedirect(answer(503), target)).to.equal('refused');
    expect(judgeRedirect({ kind: 'timeout', via }, target)).to.equal('unknown');
  });

  it('keeps a bounded sample of all links', () => {
    const sample = new LinkSample(10, createRandom(3));
    expect(sample.pick()).to.equal(undefined);
    for (let n = 0; n < 1_000; n++) sample.add({ n, key: `k${n}` });
    const picked = new Set(Array.from({ length: 500 }, () => sample.pick()?.n));
    expect(picked.size).to.be.at.most(20);
    expect([...picked].filter((n) => n !== undefined && n >= 990)).to.have.length.greaterThan(5);
  });
});
