import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { useApi } from './use-api.ts';

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0';
const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

describe('the clicks of an own link', () => {
  const fixture = useApi();

  it('are on the link and in lists as soon as they are stored, people and bots apart', async () => {
    const { people, api, world, mapper } = fixture;
    const cookie = await people.session(await people.person());
    const key = await fixture.makeLink(cookie);
    const [server] = world.urls.filter(({ slots }) => slots.includes(slotOf(key)));
    // What a process of an earlier release has counted.
    await server?.sql.execute("INSERT INTO clicks VALUES (?, ?, '2026-01-01', 5)", [slotOf(key), key]);
    for (const agent of [BROWSER, BROWSER, BOT])
      await send('GET', `${mapper.url}/${key}`, { headers: { 'User-Agent': agent } });
    const clicks = { total: 8, humans: 7, bots: 1 };
    await until('the clicks', async () => {
      const answer = await api.call('GET', `/urls/${key}`, { cookie });
      return JSON.stringify(answer.json()['clicks']) === JSON.stringify(clicks);
    });
    const list = await api.call('GET', '/urls', { cookie });
    expect(list.json()['items']).to.have.nested.property('[0].clicks').that.deep.equals(clicks);
  });
});
