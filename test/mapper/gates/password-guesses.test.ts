import { expect } from 'chai';
import { hashPassword } from '../../../mapper/auth/password-hash.ts';
import { testRedis } from '../../servers.ts';
import { until } from '../../until.ts';
import { send, type Answer } from '../client.ts';
import { countEach, storeLink } from '../visits/ruled-links.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';

const PASSWORD = 'open sesame';
const GUESSES = 1_000;

describe('guesses of the password of a link', function () {
  this.timeout(60_000);
  let world: World;
  let mapper: TestMapper;
  let sharing: readonly TestMapper[];
  let passwordHash: string;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    // All other limits are off.
    const limits = { ...NO_LIMITS, trustedProxies: ['127.0.0.0/8'] };
    mapper = await world.start({ limits });
    const [redis] = await testRedis(1);
    sharing = [
      await world.start({ limits: { ...limits, redis } }),
      await world.start({ limits: { ...limits, redis } }),
    ];
    passwordHash = await hashPassword(PASSWORD);
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function guess(key: string, client: string, password: string, { url } = mapper): Promise<Answer> {
    return send('POST', `${url}/${key}`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': client },
      body: `password=${encodeURIComponent(password)}`,
    });
  }

  function statusesOf(answers: readonly Answer[]): Record<string, number> {
    return countEach(answers.map(({ status }) => String(status)));
  }

  it(`${GUESSES} of one client at the same time: ten are compared, and it must wait`, async () => {
    const key = await storeLink(world, { rules: { passwordHash } });
    const client = '198.51.100.1';
    const answers = await Promise.all(
      Array.from({ length: GUESSES }, async (_, index) => guess(key, client, `guess ${index}`)),
    );
    // Most find no place to wait. On a slow machine, others have waited for two seconds before ten were
    // compared.
    const { 401: compared = 0, 429: limited = 0, 503: busy = 0, ...others } = statusesOf(answers);
    expect(compared).to.be.within(1, 10);
    expect([compared + limited + busy, others]).to.deep.equal([GUESSES, {}]);
    for (let round = compared; round < 10; round += 1)
      expect((await guess(key, client, 'another guess')).status).to.equal(401);
    const refused = await guess(key, client, PASSWORD);
    expect(refused.status).to.equal(429);
    expect(Number(refused.headers['retry-after'])).to.be.within(500, 600);
    expect(refused.headers['ratelimit-policy']).to.equal('"link-password";q=10;w=600');
    // Not at other links, and no other client.
    expect((await guess(key, '198.51.100.2', PASSWORD)).status).to.equal(303);
    const another = await storeLink(world, { rules: { passwordHash } });
    expect((await guess(another, client, PASSWORD)).status).to.equal(303);
    const metrics = await (await fetch(`${mapper.adminUrl}/metrics`)).text();
    const counted = /requests_limited_total\{limit="link-password"\} (\d+)/.exec(metrics)?.[1];
    expect(Number(counted)).to.equal(limited + 1);
  });

  it('nine wrong ones do not keep out a client who knows it, however often it comes', async () => {
    const key = await storeLink(world, { rules: { passwordHash } });
    const client = '198.51.100.3';
    for (let round = 0; round < 9; round += 1)
      expect((await guess(key, client, `guess ${round}`)).status).to.equal(401);
    for (let round = 0; round < 30; round += 1)
      expect((await guess(key, client, PASSWORD)).status).to.equal(303);
  });

  it(`${GUESSES} of as many clients: few are compared at a time, and the right one gets in`, async () => {
    const key = await storeLink(world, { rules: { passwordHash } });
    const guesses = Promise.all(
      Array.from({ length: GUESSES }, async (_, index) =>
        guess(key, `203.0.${index >> 8}.${index & 255}`, `guess ${index}`),
      ),
    );
    await until('the right one', async () => {
      const { status } = await guess(key, '198.51.100.4', PASSWORD);
      expect(status).to.be.oneOf([303, 503]);
      return status === 303;
    });
    const answers = await guesses;
    const { 401: compared = 0, 503: refused = 0 } = statusesOf(answers);
    expect(compared + refused, JSON.stringify(statusesOf(answers))).to.equal(GUESSES);
    expect(refused).to.be.above(GUESSES / 2);
    for (const { status, headers } of answers)
      if (status === 503) expect(headers['retry-after']).to.match(/^\d+$/);
    // From now on it is known, and needs no place in the queue.
    const more = Array.from({ length: 100 }, async (_, index) => guess(key, `203.1.0.${index}`, 'wrong'));
    for (let round = 0; round < 20; round += 1)
      expect((await guess(key, '198.51.100.5', PASSWORD)).status).to.equal(303);
    await Promise.all(more);
  });

  it('count on all mappers that share their counts: asked one after another, each allows one more at most', async () => {
    const key = await storeLink(world, { rules: { passwordHash } });
    const client = '198.51.100.6';
    for (let round = 0; round < 10; round += 1)
      expect((await guess(key, client, `guess ${round}`, sharing[round % 2])).status).to.equal(401);
    for (const one of sharing) {
      expect((await guess(key, client, 'one more', one)).status).to.be.oneOf([401, 429]);
      await until(
        'the mapper to know it',
        async () => (await guess(key, client, PASSWORD, one)).status === 429,
      );
    }
  });

  it('that come to a mapper at the same time after the tenth: three are compared at most', async () => {
    const key = await storeLink(world, { rules: { passwordHash } });
    const client = '198.51.100.7';
    const [first, second] = sharing;
    for (let round = 0; round < 10; round += 1)
      expect((await guess(key, client, `guess ${round}`, first)).status).to.equal(401);
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => guess(key, client, `more ${index}`, second)),
    );
    // On a slow machine, some have waited for two seconds.
    const { 401: compared = 0, 429: limited = 0, 503: busy = 0 } = statusesOf(answers);
    expect(compared).to.be.within(1, 3);
    expect(compared + limited + busy).to.equal(20);
  });
});
