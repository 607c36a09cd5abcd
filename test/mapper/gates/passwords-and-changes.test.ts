import { expect } from 'chai';
import { hashPassword } from '../../../mapper/auth/password-hash.ts';
import { beforeEnd } from '../../before-end.ts';
import { until } from '../../until.ts';
import { TARGET, useApi } from '../api/use-api.ts';
import { send } from '../client.ts';
import { kindIn } from '../visits/ruled-links.ts';
import { stopPasswords } from './password-children.ts';

const PASSWORD = 'open sesame';
const LATER = 'https://example.com/later';

describe('a link with a password that changes while a visitor waits for the comparison', function () {
  this.timeout(60_000);
  const fixture = useApi();
  const { api, makeLink } = fixture;
  let cookie: string;

  before(async () => {
    cookie = await fixture.people.session(await fixture.people.person());
  });

  async function follow(key: string, password: string): Promise<string> {
    const headers = { 'x-link-password': password };
    const answer = await send('GET', `${fixture.mapper.url}/${key}`, { headers });
    return `${answer.status} ${answer.headers.location ?? kindIn(answer.text)}`;
  }

  /** Makes a link that is in memory from then on. */
  async function makeFollowed(fields = {}): Promise<string> {
    const key = await makeLink(cookie, { password: PASSWORD, ...fields });
    expect(await follow(key, 'wrong')).to.equal('401 wrong-link-password');
    return key;
  }

  /** What a visitor with the right password gets who waits while `change` is made. */
  async function followDuring(
    change: (key: string) => Promise<unknown>,
    made = makeFollowed(),
  ): Promise<string> {
    const key = await made;
    const stopped = stopPasswords();
    try {
      const waiting = follow(key, PASSWORD);
      // The mapper reads in the order in which they come.
      await send('HEAD', `${fixture.mapper.url}/${key}`);
      await change(key);
      stopped[Symbol.dispose]();
      return await waiting;
    } finally {
      stopped[Symbol.dispose]();
    }
  }

  async function patch(key: string, body: object): Promise<void> {
    expect((await api.call('PATCH', `/urls/${key}`, { cookie, body })).status).to.equal(200);
  }

  it('leads to the target that its owner has set meanwhile', async () => {
    expect(await followDuring(async (key) => patch(key, { long_url: LATER }))).to.equal(`302 ${LATER}`);
  });

  it('is not followed when it was deleted meanwhile', async () => {
    const story = await followDuring(async (key) => api.call('DELETE', `/urls/${key}`, { cookie }));
    expect(story).to.equal('410 link-deleted');
  });

  it('is not followed when it has expired meanwhile', async () => {
    const { result: key, end } = await beforeEnd(2_000, async (soon) =>
      makeFollowed({ expiration_date: soon.toISOString() }),
    );
    // Nobody waits longer than some seconds for a password.
    await until('its last second', () => Date.now() > end.getTime() - 1_000);
    const expire = async (): Promise<unknown> => until('its end', () => Date.now() > end.getTime());
    const story = await followDuring(expire, Promise.resolve(key));
    expect(story).to.equal('410 link-expired');
  });

  it('is not followed with the password that was replaced meanwhile', async () => {
    const { urls, redis } = fixture.world;
    const rules = JSON.stringify({ passwordHash: await hashPassword('open barley') });
    const story = await followDuring(async (key) => {
      // The API would hash it in the process that is stopped.
      for (const { sql } of urls)
        await sql.query('UPDATE urls SET rules = ? WHERE unique_id = ?', [rules, key]);
      for (const { client } of redis) await client.publish('keymill:invalidate', key);
      expect(await redis[0]?.client.ping()).to.equal('PONG');
    });
    expect(story).to.equal('401 wrong-link-password');
  });

  it('uses up a visit when the number of its visits was limited meanwhile', async () => {
    let limited = '';
    const story = await followDuring(async (key) => {
      limited = key;
      await patch(key, { max_visits: 1 });
    });
    expect(story).to.equal(`302 ${TARGET}`);
    expect(await follow(limited, PASSWORD)).to.equal('410 link-used-up');
  });
});
