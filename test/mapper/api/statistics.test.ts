import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { withinOneDay } from '../../one-day.ts';
import type { Answer } from '../client.ts';
import { ApiClient, problemKind, type CallOptions } from './api-client.ts';
import { sketchOf, storeClicks, type Counted } from './counted-clicks.ts';
import type { Person } from './people.ts';
import { useApi } from './use-api.ts';

/** A day of UTC, in the past. */
function daysAgo(count: number): string {
  return new Date(Date.now() - count * 86_400_000).toISOString().slice(0, 10);
}

interface Item {
  readonly at?: string;
  readonly value?: string;
  readonly humans: number;
  readonly bots: number;
}

function itemsOf(answer: Answer): Item[] {
  expect(answer.status, answer.text).to.equal(200);
  return answer.json()['items'] as Item[];
}

/** The items without those that count nothing. */
function countedIn(answer: Answer): unknown[] {
  return itemsOf(answer)
    .filter(({ humans, bots }) => humans + bots > 0)
    .map(({ at, value, humans, bots }) => [at ?? value, humans, bots]);
}

describe('statistics over HTTP', () => {
  withinOneDay();
  const fixture = useApi();
  const { api, makeLink } = fixture;
  let ana: Person;
  let cookie: string;

  before(async () => {
    ana = await fixture.people.person();
    cookie = await fixture.people.session(ana);
  });

  async function linkWith(counted: Counted): Promise<string> {
    const key = await makeLink(cookie);
    await storeClicks(fixture.world, { key }, counted);
    return key;
  }

  async function ask(key: string, query = '', options: CallOptions = { cookie }): Promise<Answer> {
    return api.call('GET', `/urls/${key}/stats${query}`, options);
  }

  describe('of a link', () => {
    it('have one item for each day from the first click to today', async () => {
      const key = await linkWith({
        hours: {
          [`${daysAgo(3)} 00:00:00`]: [5, 1],
          [`${daysAgo(3)} 23:00:00`]: [2, 0],
          [`${daysAgo(1)} 10:00:00`]: [0, 4],
        },
      });
      const answer = await ask(key);
      expect(itemsOf(answer)).to.deep.equal([
        { at: `${daysAgo(3)}T00:00:00.000Z`, humans: 7, bots: 1 },
        { at: `${daysAgo(2)}T00:00:00.000Z`, humans: 0, bots: 0 },
        { at: `${daysAgo(1)}T00:00:00.000Z`, humans: 0, bots: 4 },
        { at: `${daysAgo(0)}T00:00:00.000Z`, humans: 0, bots: 0 },
      ]);
      expect(answer.json()).to.deep.include({
        from: null,
        unit: 'day',
        by: 'time',
        tz: 'UTC',
        approximate: false,
        clicks: { total: 12, humans: 7, bots: 5 },
        visitors: 0,
      });
    });

    it('have no items when nobody has followed it', async () => {
      expect(itemsOf(await ask(await makeLink(cookie)))).to.deep.equal([]);
    });

    it('put hours together to the days of a zone', async () => {
      // Berlin is one or two hours ahead, so a click at 23:00 is of the next day there.
      const key = await linkWith({
        hours: { [`${daysAgo(5)} 21:00:00`]: [1, 0], [`${daysAgo(5)} 23:00:00`]: [10, 0] },
      });
      const answer = await ask(key, `?tz=Europe/Berlin&to=${daysAgo(2)}`);
      expect(itemsOf(answer).map(({ humans }) => humans)).to.deep.equal([1, 10, 0]);
      expect(answer.json()['approximate']).to.equal(false);
      const ofUtc = await ask(key, `?to=${daysAgo(2)}`);
      expect(itemsOf(ofUtc).map(({ humans }) => humans)).to.deep.equal([11, 0, 0]);
    });

    it('take a from and a to, as times or as dates of the zone', async () => {
      const key = await linkWith({
        hours: {
          [`${daysAgo(5)} 09:00:00`]: [1, 0],
          [`${daysAgo(5)} 10:00:00`]: [2, 0],
          [`${daysAgo(4)} 00:00:00`]: [4, 0],
        },
      });
      const times = `?from=${daysAgo(5)}T10:00:00Z&to=${daysAgo(4)}T00:00:00Z`;
      expect(countedIn(await ask(key, times))).to.deep.equal([[`${daysAgo(5)}T00:00:00.000Z`, 2, 0]]);
      const dates = `?from=${daysAgo(6)}&to=${daysAgo(4)}`;
      const answer = await ask(key, dates);
      expect(itemsOf(answer).map(({ humans }) => humans)).to.deep.equal([0, 3]);
      expect(answer.json()).to.deep.include({
        from: `${daysAgo(6)}T00:00:00.000Z`,
        to: `${daysAgo(4)}T00:00:00.000Z`,
        approximate: false,
      });
      const parts = `?from=${daysAgo(5)}T09:30:00Z&to=${daysAgo(5)}T09:45:00Z&unit=hour`;
      const partly = await ask(key, parts);
      expect([countedIn(partly), partly.json()['approximate']]).to.deep.equal([
        [[`${daysAgo(5)}T09:00:00.000Z`, 1, 0]],
        true,
      ]);
    });

    it('have hours of the last week, unless a period is given', async () => {
      const key = await linkWith({
        hours: { [`${daysAgo(20)} 09:00:00`]: [1, 0], [`${daysAgo(2)} 10:00:00`]: [2, 1] },
      });
      const answer = await ask(key, '?unit=hour');
      expect(countedIn(answer)).to.deep.equal([[`${daysAgo(2)}T10:00:00.000Z`, 2, 1]]);
      expect(itemsOf(answer)).to.have.length(7 * 24 + 1);
    });

    it('have the months of a zone', async () => {
      const key = await linkWith({
        days: { '2024-01-31': [1, 0], '2024-02-01': [2, 0], '2024-02-29': [4, 1] },
      });
      const answer = await ask(key, '?unit=month&tz=America/New_York&from=2024-01-01&to=2024-04-01');
      expect(itemsOf(answer)).to.deep.equal([
        { at: '2024-01-01T05:00:00.000Z', humans: 1, bots: 0 },
        { at: '2024-02-01T05:00:00.000Z', humans: 6, bots: 1 },
        { at: '2024-03-01T05:00:00.000Z', humans: 0, bots: 0 },
      ]);
    });

    it('count days of UTC to the same date of the zone, and say that they are approximate', async () => {
      const key = await linkWith({
        hours: { [`${daysAgo(1)} 23:00:00`]: [3, 0] },
        days: { '2025-03-30': [7, 2] },
      });
      const old = await ask(key, '?from=2025-03-30&to=2025-03-31&tz=Asia/Tokyo');
      expect(itemsOf(old)).to.deep.equal([{ at: '2025-03-29T15:00:00.000Z', humans: 7, bots: 2 }]);
      expect(old.json()['approximate']).to.equal(true);
      const half = await ask(key, `?from=${daysAgo(1)}&tz=Asia/Kolkata`);
      expect(itemsOf(half)[0]).to.deep.equal({ at: `${daysAgo(2)}T18:30:00.000Z`, humans: 3, bots: 0 });
      expect(half.json()['approximate']).to.equal(true);
    });

    it('have what processes of an earlier release have counted', async () => {
      const key = await linkWith({
        hours: { [`${daysAgo(1)} 10:00:00`]: [1, 1] },
        inbox: { [daysAgo(1)]: 5, '2023-05-05': 2 },
      });
      const answer = await ask(key);
      expect(countedIn(answer)).to.deep.equal([
        ['2023-05-05T00:00:00.000Z', 2, 0],
        [`${daysAgo(1)}T00:00:00.000Z`, 6, 1],
      ]);
      expect(answer.json()['clicks']).to.deep.equal({ total: 9, humans: 8, bots: 1 });
    });

    it('have the values of a dimension, the most frequent ones first, and others last', async () => {
      const key = await linkWith({
        hours: { [`${daysAgo(1)} 10:00:00`]: [13, 5], [`${daysAgo(2)} 10:00:00`]: [5, 0] },
        values: [
          ['referrer', daysAgo(1), '(other)', 9, 0],
          ['referrer', daysAgo(1), 'example.org', 2, 1],
          ['referrer', daysAgo(2), 'example.org', 2, 0],
          // Of an earlier release. What is left of all clicks has no value.
          ['referrer', daysAgo(2), '', 2, 0],
          ['country', daysAgo(1), 'ES', 3, 0],
        ],
      });
      const answer = await ask(key, '?by=referrer');
      expect(itemsOf(answer)).to.deep.equal([
        { value: '', humans: 5, bots: 4 },
        { value: 'example.org', humans: 4, bots: 1 },
        { value: '(other)', humans: 9, bots: 0 },
      ]);
      expect(answer.json()).to.deep.include({
        approximate: true,
        clicks: { total: 23, humans: 18, bots: 5 },
      });
      expect(itemsOf(await ask(key, `?by=referrer&from=${daysAgo(1)}`))).to.deep.equal([
        { value: '', humans: 2, bots: 4 },
        { value: 'example.org', humans: 2, bots: 1 },
        { value: '(other)', humans: 9, bots: 0 },
      ]);
    });

    it('have the sums of closed months in place of their days', async () => {
      const key = await linkWith({
        values: [
          ['os', '2024-01-31', 'Linux', 1, 0],
          ['os', '2024-02-10', 'Linux', 2, 0],
          ['os', '2024-03-01', 'Linux', 4, 0],
        ],
        // Other sums than those of the days, to tell which were read.
        months: [
          ['os', '2024-02-01', 'Linux', 20, 0],
          ['os', '2024-03-01', 'Linux', 40, 0],
        ],
        closed: ['2024-02-01'],
      });
      const sum = async (query: string): Promise<number[]> =>
        itemsOf(await ask(key, `?by=os${query}`)).map(({ humans }) => humans);
      expect(await sum('')).to.deep.equal([25]);
      expect(await sum('&from=2024-02-01&to=2024-03-01')).to.deep.equal([20]);
      expect(await sum('&from=2024-02-02')).to.deep.equal([6]);
      expect(await sum('&to=2024-02-29')).to.deep.equal([3]);
    });

    it('have at most 200 values, and all clicks', async () => {
      const key = await linkWith({
        values: Array.from(
          { length: 300 },
          (_, n) => ['referrer', daysAgo(1), `host-${n}.example`, n, 1] as const,
        ),
      });
      const items = itemsOf(await ask(key, '?by=referrer'));
      expect(items).to.have.length(201);
      expect(items[0]).to.deep.equal({ value: 'host-299.example', humans: 299, bots: 1 });
      expect(items.at(-1)?.value).to.equal('(other)');
      expect(items.reduce((sum, { humans, bots }) => sum + humans + bots, 0)).to.equal((299 * 300) / 2 + 300);
    });

    it('have the visitors of each day, counted once for all processes', async () => {
      const key = await linkWith({
        visitors: [
          [daysAgo(1), 'mapper-1/a', sketchOf(60)],
          [daysAgo(1), 'mapper-2/b', sketchOf(50, 30)],
          [daysAgo(0), 'mapper-1/a', sketchOf(60)],
        ],
        visitorDays: { '2024-02-10': 1_000, '2024-02-11': 500 },
      });
      const visitors = Number((await ask(key)).json()['visitors']);
      expect(visitors).to.be.within(1_630, 1_650);
      const of = async (query: string): Promise<unknown[]> => {
        const { visitors: asked, approximate } = (await ask(key, query)).json();
        return [asked, approximate];
      };
      expect(await of('?from=2024-02-11&to=2024-02-12')).to.deep.equal([500, false]);
      expect(await of('?from=2024-02-11&to=2024-02-12&tz=Asia/Tokyo')).to.deep.equal([1_500, true]);
      expect(await of('?from=2024-02-11T10:00:00Z&to=2024-02-11T11:00:00Z')).to.deep.equal([500, true]);
    });

    it('are CSV for who wants it', async () => {
      const key = await linkWith({
        hours: { [`${daysAgo(0)} 00:00:00`]: [3, 1] },
        values: [
          ['browser', daysAgo(0), 'Firefox', 3, 1],
          ['browser', daysAgo(0), '=cmd, "x"', 1, 0],
        ],
      });
      const csv = async (query: string): Promise<string> => {
        const answer = await ask(key, query, { cookie, headers: { accept: 'text/csv' } });
        expect(answer.headers).to.include({
          'content-type': 'text/csv; charset=utf-8; header=present',
          vary: 'Accept',
        });
        return answer.text;
      };
      expect(await csv('')).to.equal(`at,humans,bots\r\n${daysAgo(0)}T00:00:00.000Z,3,1\r\n`);
      expect(await csv('?by=browser')).to.equal(`value,humans,bots\r\nFirefox,3,1\r\n"'=cmd, ""x""",1,0\r\n`);
      const json = await ask(key, '', { cookie, headers: { accept: 'text/csv;q=0.5, application/json' } });
      expect(json.json()['clicks']).to.deep.equal({ total: 4, humans: 3, bots: 1 });
    });

    it('are of its owner, and of an administrator', async () => {
      const key = await linkWith({ hours: { [`${daysAgo(0)} 00:00:00`]: [3, 1] } });
      const { people } = fixture;
      const other = { cookie: await people.session(await people.person()) };
      const admin = { cookie: await people.session(await people.person({ isAdmin: true })) };
      const refused = await ask(key, '', other);
      const unknown = await ask('no-such-key', '', other);
      expect([refused.status, problemKind(refused)]).to.deep.equal([404, 'unknown-key']);
      expect(refused.text).to.equal(unknown.text);
      expect((await ask(key, '', admin)).json()['clicks']).to.deep.equal({ total: 4, humans: 3, bots: 1 });
      const reader = await people.key(ana, ['stats:read']);
      expect((await ask(key, '', reader)).status).to.equal(200);
    });

    const WRONG: readonly (readonly [query: string, field: string, reason: string])[] = [
      ['from=yesterday', 'from', 'must be a date, such as 2030-01-31, or an RFC 3339 date-time with offset'],
      ['from=2025-02-30', 'from', 'must be a date, such as 2030-01-31, or an RFC 3339 date-time with offset'],
      [
        'to=2025-01-01T00:00:00',
        'to',
        'must be a date, such as 2030-01-31, or an RFC 3339 date-time with offset',
      ],
      ['from=', 'from', 'must be a date, such as 2030-01-31, or an RFC 3339 date-time with offset'],
      ['from=2025-02-01&to=2025-02-01', 'to', 'must be after from'],
      ['from=9998-01-01', 'from', 'must be in the past'],
      ['unit=week', 'unit', 'must be one of hour, day, month'],
      ['by=ip', 'by', 'must be one of time, referrer, country, language, browser, os, device'],
      ['by=link', 'by', 'must be one of time, referrer, country, language, browser, os, device'],
      ['tz=Mars/Phobos', 'tz', 'must be a time zone, such as Europe/Berlin, or an offset, such as +02:00'],
      ['tz=', 'tz', 'must be a time zone, such as Europe/Berlin, or an offset, such as +02:00'],
      [`tz=${'A'.repeat(65)}`, 'tz', 'must not exceed 64 characters'],
      [
        'unit=hour&from=2025-01-01&to=2026-01-01',
        'unit',
        'must be longer for this period: no answer has more than 5000 items',
      ],
      ['limit=5', 'limit', 'unknown field'],
    ];
    for (const [query, field, reason] of WRONG)
      it(`refuse ?${query.slice(0, 50)}`, async () => {
        const answer = await ask('any-link', `?${query}`);
        expect([answer.status, answer.json()['errors']]).to.deep.equal([422, [{ field, reason }]]);
      });
  });

  describe('of all own links', () => {
    it('are those of all urls servers together, with the links that were followed most', async () => {
      const { people, world } = fixture;
      const owner = await people.person();
      const session = { cookie: await people.session(owner) };
      const links = Array.from({ length: 15 }, (_, n) => n);
      for (const server of [0, 1])
        await storeClicks(
          world,
          { userId: owner.id, server },
          {
            hours: { [`${daysAgo(1)} 10:00:00`]: [10, 1] },
            days: { '2024-02-01': [100, server] },
            values: [
              ['country', daysAgo(1), 'ES', 3, 0],
              ['country', daysAgo(1), server === 0 ? 'IN' : 'DE', 4, 0],
              ...links.map((n) => ['link', daysAgo(1), `link-${server}-${n}`, 2 * n + server, 0] as const),
            ],
            visitorDays: { '2024-02-01': 7 },
            visitors: [[daysAgo(1), 'mapper-1/a', sketchOf(5)]],
          },
        );
      const answer = await api.call('GET', '/stats', session);
      expect(countedIn(answer)).to.deep.equal([
        ['2024-02-01T00:00:00.000Z', 200, 1],
        [`${daysAgo(1)}T00:00:00.000Z`, 20, 2],
      ]);
      expect(answer.json()).to.deep.include({ clicks: { total: 223, humans: 220, bots: 3 }, visitors: 24 });
      const followed = answer.json()['most_followed'] as {
        unique_id: string;
        short_url: string;
        humans: number;
      }[];
      expect(followed).to.have.length(20);
      expect(followed[0]).to.deep.equal({
        unique_id: 'link-1-14',
        short_url: `${fixture.mapper.url}/link-1-14`,
        humans: 29,
        bots: 0,
      });
      expect(followed.map(({ humans }) => humans)).to.deep.equal(
        Array.from({ length: 20 }, (_, n) => 29 - n),
      );
      const countries = await api.call('GET', '/stats?by=country', session);
      expect(itemsOf(countries).map(({ value, humans }) => [value, humans])).to.deep.equal([
        ['', 206],
        ['ES', 6],
        ['DE', 4],
        ['IN', 4],
      ]);
      const csv = await api.call('GET', '/stats?by=country', { ...session, headers: { accept: 'text/csv' } });
      expect(csv.text).to.equal('value,humans,bots\r\n,206,3\r\nES,6,0\r\nDE,4,0\r\nIN,4,0\r\n');
    });

    it('are complete or refused: a urls server that does not answer is named, and links of others go on', async () => {
      const { world, people } = fixture;
      const key = await linkWith({ hours: { [`${daysAgo(0)} 00:00:00`]: [3, 1] } });
      const [up, down] = world.urls.toSorted(({ slots }) => (slots.includes(slotOf(key)) ? -1 : 1));
      const dead = 'mysql://nobody@127.0.0.1:1/urls';
      const urlsDbs = world.urls.map((one) => (one === down ? { ...one, url: dead } : one));
      const alone = await world.start({ stores: { urlsDbs } });
      try {
        const client = new ApiClient(() => alone.url, api.document);
        const session = { cookie: await people.session(ana) };
        const all = await client.call('GET', '/stats', session);
        expect([all.status, problemKind(all)]).to.deep.equal([503, 'store-down']);
        expect(all.json()['detail']).to.include(down?.name).and.not.include(up?.name);
        expect((await client.call('GET', `/urls/${key}/stats`, session)).status).to.equal(200);
      } finally {
        await alone.stop();
      }
    });

    it('of somebody without links are nothing', async () => {
      const { people } = fixture;
      const answer = await api.call('GET', '/stats', { cookie: await people.session(await people.person()) });
      expect(answer.json()).to.deep.include({
        clicks: { total: 0, humans: 0, bots: 0 },
        visitors: 0,
        items: [],
        most_followed: [],
      });
    });
  });
});
