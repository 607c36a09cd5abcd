import { expect } from 'chai';
import { pino } from 'pino';
import { randomKeys, createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { send, shorten } from '../client.ts';
import { exchange, forwardedFor, getOf, limitsIn, postOf, THROUGH_NODE } from './ways.ts';

/** The parts that differ between any two answers. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/^Date: .*$/gm, 'Date: …'],
  [/^(X-Request-Id: )[0-9a-f]{8}-[0-9a-f-]{27}/gm, '$1…'],
  [/("created_at":")[^"]+"/g, '$1…"'],
  [/("unique_id":")[\w-]{8}"/g, '$1…"'],
  [/(https:\/\/go\.example\/)[\w-]{8}(?=["\r])/g, '$1…'],
  [/;t=\d+/g, ';t=…'],
  [/^(Retry-After: )\d+/gm, '$1…'],
];

function normalised(answer: string): string {
  let text = answer;
  for (const [pattern, replacement] of VARYING) text = text.replace(pattern, replacement);
  return text;
}

const JSON_TYPE = { 'content-type': 'application/json' };

const PER_MINUTE = { ...NO_LIMITS.perMinute, anonymous: 3, key: 5, 'sign-in': 3, 'not-found': 4 };

describe('limits of clients', () => {
  let world: World;
  let fast: TestMapper;
  let koa: TestMapper;
  let byPeer: TestMapper;
  const lines: string[] = [];

  before(async function () {
    this.timeout(90_000);
    world = await createWorld({ keys: 500 });
    const publicUrl = 'https://go.example';
    const limits = { ...NO_LIMITS, perMinute: PER_MINUTE, trustedProxies: ['127.0.0.0/8'] };
    fast = await world.start({ publicUrl, limits });
    koa = await world.start({ publicUrl, limits, hasFastPaths: false });
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    byPeer = await world.start({ publicUrl, limits: { ...limits, trustedProxies: [] }, log });
    const made = await shorten(fast.url, { long_url: 'https://example.com/', custom_alias: 'known-link' });
    expect(made.status).to.equal(201);
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  /** The three ways in which a request can be answered, each for another client. */
  function ways(network: string): { url: string; headers: string }[] {
    return [
      { url: fast.url, headers: forwardedFor(`${network}.1`) },
      { url: fast.url, headers: forwardedFor(`${network}.2`) + THROUGH_NODE },
      { url: koa.url, headers: forwardedFor(`${network}.3`) },
    ];
  }

  it('refuse further links without an account, with the same bytes on all three ways', async () => {
    const answers: string[][] = [];
    for (const { url, headers } of ways('198.51.100')) {
      const sequence = [postOf(headers), postOf(headers, '{"long_url":7}'), postOf(headers), postOf(headers)];
      const seen: string[] = [];
      for (const bytes of sequence) seen.push(await exchange(url, bytes));
      answers.push(seen.map(normalised));
      expect(seen.map((answer) => limitsIn(answer))).to.deep.include({
        status: 201,
        policy: '"anonymous";q=3;w=60',
        remaining: 2,
        retryAfter: undefined,
      });
      const last = limitsIn(seen.at(-1) ?? '');
      expect(last).to.include({ status: 429, remaining: 0 });
      expect(last.retryAfter).to.be.within(1, 60);
    }
    expect(answers[0]?.map((answer) => answer.slice(9, 12))).to.deep.equal(['201', '422', '201', '429']);
    expect(answers[1]).to.deep.equal(answers[0]);
    expect(answers[2]).to.deep.equal(answers[0]);
  });

  it('refuse every link to a client who has asked for many that do not exist, on all three ways', async () => {
    const answers: string[][] = [];
    for (const { url, headers } of ways('198.51.101')) {
      const missing = randomKeys(PER_MINUTE['not-found']);
      const seen: string[] = [];
      for (const key of [...missing, 'known-link', 'nothing-here'])
        seen.push(await exchange(url, getOf(key, headers)));
      answers.push(seen.map(normalised));
      expect(seen.map((answer) => limitsIn(answer).status)).to.deep.equal([404, 404, 404, 404, 429, 429]);
      expect(limitsIn(seen[0] ?? '').policy).to.equal(undefined);
      expect(limitsIn(seen.at(-1) ?? '')).to.include({ policy: '"not-found";q=4;w=60', remaining: 0 });
      // A new link is another limit.
      expect(limitsIn(await exchange(url, postOf(headers))).status).to.equal(201);
    }
    expect(answers[1]).to.deep.equal(answers[0]);
    expect(answers[2]).to.deep.equal(answers[0]);
  });

  it('are none for a client on this machine, and add nothing to its answers', async () => {
    for (let round = 0; round < 2 * PER_MINUTE.anonymous; round += 1) {
      for (const headers of ['', THROUGH_NODE])
        expect(limitsIn(await exchange(byPeer.url, postOf(headers)))).to.deep.equal({
          status: 201,
          policy: undefined,
          remaining: undefined,
          retryAfter: undefined,
        });
    }
  });

  it('are shared by all behind a proxy that is not trusted, and one warning says so', async () => {
    lines.length = 0;
    const statuses: number[] = [];
    for (let client = 1; client <= 4; client += 1)
      statuses.push(limitsIn(await exchange(byPeer.url, postOf(forwardedFor(`203.0.113.${client}`)))).status);
    expect(statuses).to.deep.equal([201, 201, 201, 429]);
    const warnings = lines.filter((line) => line.includes('no proxy is trusted'));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('"peer":"127.0.0.1"').and.to.include('KEYMILL_TRUSTED_PROXIES');
  });

  it('hold for sign-ins and for keys where these are made, and the answers say what is left', async () => {
    const headers = { ...JSON_TYPE, 'x-forwarded-for': '198.51.100.90' };
    const statuses: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const answer = await send('POST', `${fast.url}/login`, {
        headers: { host: 'x', ...headers },
        body: '{}',
      });
      statuses.push(answer.status);
      expect(answer.headers['ratelimit-policy']).to.equal('"sign-in";q=3;w=60');
    }
    expect(statuses).to.deep.equal([422, 422, 422, 429]);
  });
});
