import { expect } from 'chai';
import { closeMonths } from '../../../db/clicks/close-months.ts';
import { closeVisitorDays, rollUpHours } from '../../../db/clicks/roll-up.ts';
import { toDate, toDay } from '../../../db/clicks/sql-times.ts';
import { LINK } from '../../../db/clicks/subject.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { openMysql } from '../../../db/mysql/mysql.ts';
import { send, type Answer } from '../client.ts';
import { viaProxy } from '../faulty.ts';
import { withinOneDay } from '../../one-day.ts';
import { until } from '../../until.ts';
import { ApiClient, problemKind } from './api-client.ts';
import { sketchOf, storeClicks } from './counted-clicks.ts';
import { useApi } from './use-api.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

describe('statistics of clicks that are counted', () => {
  withinOneDay(60);
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
    // Of the one who does not want to be tracked.
    const nothing = ['', 1];
    expect(await valuesOf('referrer')).to.deep.equal([['news.example', 2], nothing]);
    expect(await valuesOf('browser')).to.deep.equal([['Firefox', 2], nothing]);
    expect(await valuesOf('os')).to.deep.equal([['Linux', 2], nothing]);
    expect(await valuesOf('language')).to.deep.equal([['es', 2], nothing]);
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
          const { clicks, visitors, items } = await ask(`/urls/${key}/stats${query}`);
          return { clicks, visitors, items };
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

  it('end when a urls server hangs, are bounded for each owner, and come back with it', async () => {
    const { world, people } = fixture;
    const [first, second] = await Promise.all(world.urls.map(async (store) => viaProxy(store)));
    if (first === undefined || second === undefined) throw new Error('two urls servers are needed');
    const mapper = await world.start({ stores: { urlsDbs: [first, second] } });
    const client = new ApiClient(() => mapper.url, api.document);
    try {
      const session = { cookie: await people.session(await people.person()) };
      const askAll = async (): Promise<Answer> => client.call('GET', '/stats', session);
      expect((await askAll()).status).to.equal(200);
      second.proxy.silence();
      const answers = await Promise.all(Array.from({ length: 25 }, askAll));
      const kinds = answers.map((answer) => problemKind(answer));
      expect(kinds.filter((kind) => kind === 'overloaded')).to.have.length(5);
      expect(kinds.filter((kind) => kind === 'store-down')).to.have.length(20);
      for (const answer of answers) expect(answer.headers['retry-after']).to.match(/^[0-9]+$/);
      second.proxy.heal();
      await until('the server to be asked again', async () => (await askAll()).status === 200);
    } finally {
      await mapper.stop();
      await Promise.all([first, second].map(async ({ proxy }) => proxy.stop()));
    }
  });
});
