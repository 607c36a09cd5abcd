import { expect } from 'chai';
import type { Dimension } from '../../db/clicks/dimensions.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { sketchOf, storeClicks } from '../mapper/api/counted-clicks.ts';
import type { Person as Account } from '../mapper/api/people.ts';
import type { TestMapper } from '../mapper/world.ts';
import type { Site } from './use-site.ts';

/** An account with something on every page. */
export interface Furnished {
  readonly account: Account;
  readonly cookie: string;
  /** The session of an administrator. */
  readonly adminCookie: string;
  /** A link with all that a link can have, and with clicks of a month. */
  readonly full: string;
  readonly plain: string;
  readonly deleted: string;
  readonly webhookId: string;
  readonly keyId: string;
  readonly importId: string;
}

const DAY_MS = 86_400_000;
const AN_HOUR_MS = 3_600_000;

/** Values with their shares of the clicks. */
const VALUES: Readonly<Partial<Record<Dimension, readonly (readonly [string, number])[]>>> = {
  referrer: [
    ['', 40],
    ['news.ycombinator.com', 25],
    ['www.google.com', 15],
    ['mastodon.social', 10],
    ['github.com', 6],
    ['duckduckgo.com', 4],
  ],
  country: [
    ['ES', 35],
    ['IN', 25],
    ['DE', 20],
    ['US', 15],
    ['BR', 5],
  ],
  browser: [
    ['Chrome', 50],
    ['Firefox', 30],
    ['Safari', 20],
  ],
  os: [
    ['Android', 45],
    ['Windows', 25],
    ['iOS', 20],
    ['Linux', 10],
  ],
  device: [
    ['mobile', 62],
    ['desktop', 34],
    ['tablet', 4],
  ],
  language: [
    ['es', 40],
    ['en', 40],
    ['de', 20],
  ],
};

/**
 * Stores clicks of a link over the last 30 days, as many each time.
 * @param share of some 7,000
 * @param ownerId whose statistics have them too
 */
export async function storeMonth(
  { world }: Pick<Site, 'world'>,
  key: string,
  nowMs: number,
  share = 1,
  ownerId?: bigint,
): Promise<void> {
  const hours: Record<string, [number, number]> = {};
  const values: [Dimension, string, string, number, number][] = [];
  const visitors: [string, string, ReturnType<typeof sketchOf>][] = [];
  const total = { humans: 0, bots: 0 };
  for (let day = 29; day >= 0; day -= 1) {
    const date = new Date(nowMs - day * DAY_MS).toISOString().slice(0, 10);
    // More from week to week, fewer at weekends.
    const weekend = [0, 6].includes(new Date(date).getUTCDay()) ? 0.55 : 1;
    const humans = Math.round((140 + (29 - day) * 9 + 37 * Math.sin(day * 1.7)) * weekend * share);
    const bots = Math.round(humans / 9);
    total.humans += humans;
    total.bots += bots;
    hours[`${date} 08:00:00`] = [Math.floor(humans * 0.4), Math.floor(bots * 0.5)];
    hours[`${date} 17:00:00`] = [Math.ceil(humans * 0.6), Math.ceil(bots * 0.5)];
    visitors.push([date, 'a', sketchOf(Math.round(humans * 0.8), day * 1_000)]);
    for (const [dimension, shares] of Object.entries(VALUES))
      for (const [value, share] of shares)
        values.push([dimension as Dimension, date, value, Math.round((humans * share) / 100), 0]);
  }
  await storeClicks(world, { key }, { hours, values, visitors });
  const slot = slotOf(key);
  if (ownerId !== undefined) {
    const server = world.urls.findIndex(({ slots }) => slots.includes(slot));
    const links = visitors.map(
      ([day]) => ['link', day, key, 140, 12] as [Dimension, string, string, number, number],
    );
    await storeClicks(world, { userId: ownerId, server }, { hours, values: [...values, ...links], visitors });
  }
  const server = world.urls.find(({ slots }) => slots.includes(slot));
  const row = [slot, key, total.humans, total.bots];
  await server?.sql.query('INSERT INTO click_totals (slot, unique_id, humans, bots) VALUES (?)', [row]);
}

const furnished = new WeakMap<TestMapper, Promise<Furnished>>();

/** The same account for all tests with the same mapper. They must not change it. */
export async function furnish(site: Site): Promise<Furnished> {
  const found = furnished.get(site.mapper) ?? furnishAnew(site);
  furnished.set(site.mapper, found);
  return found;
}

async function furnishAnew(site: Site): Promise<Furnished> {
  const { api, people } = site;
  const account = await people.person();
  const cookie = await people.session(account, { endsInMs: AN_HOUR_MS });
  const adminCookie = await people.session(await people.person({ isAdmin: true }), {
    endsInMs: AN_HOUR_MS,
  });
  const must = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const answer = await api.call(method, path, { cookie, ...(body !== undefined && { body }) });
    expect(answer.status, answer.text).to.be.below(300);
    return answer.text === '' ? {} : answer.json();
  };
  const full = await site.link(
    {
      custom_alias: 'spring-campaign',
      title: 'Spring campaign: the new catalogue',
      tags: ['campaign', 'spring', 'print'],
      long_url: 'https://www.example.com/catalogue/2026/spring?utm_source=poster&utm_medium=print',
      redirect_type: 307,
      max_visits: 1_000_000,
      valid_from: '2026-01-01T00:00:00Z',
      expiration_date: '2036-11-29T00:00:00Z',
      targets: [
        { when: { device: ['ios'] }, long_url: 'https://apps.example.com/ios' },
        { when: { country: ['ES', 'DE'], language: ['es'] }, long_url: 'https://www.example.com/es/' },
      ],
    },
    cookie,
  );
  await storeMonth(site, full, Date.now(), 1, account.id);
  const plain = await site.link({}, cookie);
  const deleted = await site.link({ title: 'An old one' }, cookie);
  await must('DELETE', `/urls/${deleted}`);
  const { key_id: keyId } = await must('POST', '/users/me/keys', {
    name: 'build server',
    scopes: ['links:create', 'stats:read'],
  });
  const { webhook_id: webhookId } = await must('POST', '/users/me/webhooks', {
    url: 'https://hooks.example.com/keymill',
    events: ['link.created', 'link.deleted'],
  });
  const imported = await api.call('POST', '/import', {
    cookie,
    headers: { 'content-type': 'text/csv' },
    body: 'code,url,title\nimported-1,https://example.com/1,The first\nimported-2,no address,Wrong\n',
  });
  expect(imported.status, imported.text).to.equal(202);
  const note = 'Phishing: it looks like the page of a bank. Three people have reported it.';
  const blocked = await api.call('POST', '/admin/domains', {
    cookie: adminCookie,
    body: { domain: 'secure-login.bank-of-somewhere.example', note },
  });
  expect(blocked.status, blocked.text).to.equal(201);
  await api.call('POST', `/urls/${full}/report`, { body: { reason: 'It leads to a shop that cheats.' } });
  return {
    account,
    cookie,
    adminCookie,
    full,
    plain,
    deleted,
    webhookId: String(webhookId),
    keyId: String(keyId),
    importId: String(imported.json()['id']),
  };
}
