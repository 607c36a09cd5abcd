import { expect } from 'chai';
import { closeMonths } from '../../../db/clicks/close-months.ts';
import { closeVisitorDays, rollUpHours } from '../../../db/clicks/roll-up.ts';
import { toDate, toDay } from '../../../db/clicks/sql-times.ts';
import { LINK } from '../../../db/clicks/subject.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { openMysql } from '../../../db/mysql/mysql.ts';
import { send } from '../client.ts';
import { until } from '../../until.ts';
import { sketchOf, storeClicks } from './counted-clicks.ts';
import { useApi } from './use-api.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

describe('statistics of clicks that are counted', () => {
  const fixture = useApi();
  const { api, makeLink } = fixture;
  let cookie: string;

  before(async () => {
    cookie = await fixture.people.session(await fixture.people.person());
  });

  async function ask(path: string): Promise<Record<string, unknown>> {
    const answer = await api.call('GET', path, { cookie });
    expect(answer.status, answer.text).to.equal(200);
    return answer.json();
  }

  it('tell what is known of those who follow a link, and count bots apart', async () => {
    const key = await makeLink(cookie);
    const follow = async (headers: Record<string, string>): Promise<void> => {
      expect((await send('GET', `${fixture.mapper.url}/${key}`, { headers })).status).to.equal(302);
    };
    await follow({
      'user-agent': FIREFOX,
      referer: 'https://news.example/a?b=c',
      'accept-language': 'es-ES,en',
    });
    await follow({ 'user-agent': FIREFOX, referer: 'https://news.example/d', 'accept-language': 'es-ES,en' });
    await follow({ 'user-agent': 'Googlebot/2.1 (+http://www.google.com/bot.html)' });
    await follow({ 'user-agent': FIREFOX, dnt: '1', referer: 'https://private.example/' });
    const path = `/urls/${key}/stats`;
    await until('all clicks to be stored', async () => {
      expect((await ask(path))['clicks']).to.deep.equal({ total: 4, humans: 3, bots: 1 });
      return true;
    });
    const valuesOf = async (by: string): Promise<unknown[]> =>
      ((await ask(`${path}?by=${by}`))['items'] as { value: string; humans: number }[])
        .filter(({ humans }) => humans > 0)
        .map(({ value, humans }) => [value, humans]);
    expect(await valuesOf('referrer')).to.deep.equal([['news.example', 2]]);
    expect(await valuesOf('browser')).to.deep.equal([['Firefox', 2]]);
    expect(await valuesOf('os')).to.deep.equal([['Linux', 2]]);
    expect(await valuesOf('language')).to.deep.equal([['es', 2]]);
    const all = await ask('/stats');
    expect(all['clicks']).to.deep.equal({ total: 4, humans: 3, bots: 1 });
    expect(all['most_followed']).to.deep.equal([
      { unique_id: key, short_url: `${fixture.mapper.url}/${key}`, humans: 3, bots: 1 },
    ]);
  });

  it('stay the same when a job makes them smaller', async () => {
    const key = await makeLink(cookie);
    const today = Math.floor(Date.now() / 86_400_000);
    const days = Array.from({ length: 200 }, (_, n) => toDate(today - n));
    await storeClicks(
      fixture.world,
      { key },
      {
        hours: Object.fromEntries(
          days.flatMap((day, n) => [
            [`${day} 03:00:00`, [n, 1]],
            [`${day} 23:00:00`, [1, 0]],
          ]),
        ),
        values: days.flatMap((day, n) => [
          ['os', day, 'Linux', n, 1] as const,
          ['os', day, n % 2 === 0 ? 'Windows' : 'Android', 1, 0] as const,
        ]),
        visitors: days.flatMap((day, n) => [
          [day, 'mapper-1/a', sketchOf(n)] as const,
          [day, 'mapper-2/b', sketchOf(5)] as const,
        ]),
      },
    );
    const questions = [
      '',
      '?unit=month',
      '?by=os',
      `?by=os&from=${days[170]}&to=${days[10]}`,
      `?from=${days[150]}&to=${days[20]}`,
    ];
    const askAll = async (): Promise<unknown[]> =>
      Promise.all(
        questions.map(async (query) => {
          const { approximate, to, ...same } = await ask(`/urls/${key}/stats${query}`);
          return same;
        }),
      );
    const before = await askAll();
    const { name = '', url = '' } = fixture.world.urls.find(({ slots }) => slots.includes(slotOf(key))) ?? {};
    await using db = openMysql(url, {
      name,
      connections: 1,
      canTransact: true,
      isolation: 'REPEATABLE READ',
    });
    const work = { db, kind: LINK, ids: [LINK.toId(key)], today: toDay(days[0] ?? '') };
    await rollUpHours(work);
    expect(await askAll()).to.deep.equal(before);
    await closeVisitorDays(work);
    await closeMonths({ ...work, since: 0 });
    expect(await askAll()).to.deep.equal(before);
    const [row] = await db.query<{ n: number }>(
      'SELECT COUNT(*) AS n FROM click_months WHERE unique_id = ?',
      [key],
    );
    expect(row?.n).to.be.greaterThan(15);
  });
});
