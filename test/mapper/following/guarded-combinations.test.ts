import { expect } from 'chai';
import { Connection, type Answer } from '../../../bench/load/connection.ts';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { hashPassword } from '../../../mapper/auth/password-hash.ts';
import { sendRaw } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import {
  CHOICES,
  EXPIRIES,
  type Expiry,
  expectedHead,
  formatVisit,
  GONE,
  headOf,
  pathOf,
  reckon,
  TARGET,
  VISITORS,
  type Link,
} from './reckoning.ts';
import { makeLinks } from './ruled-links.ts';

const PASSWORD = 'open sesame';
const MAX_VISITS = 1_000;
const QUERY = 'own=3&%20';

/** What nobody may see who may not follow a link: a part of each target. */
const SECRETS = /(?:ios|android|ch|de|fr|ios-ch)\.example|\/t\?own|\/gone/;

const BOT = 'User-Agent: Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)\r\n';
const RIGHT = `X-Link-Password: ${PASSWORD}\r\n`;

describe('every combination of rules with a password or a number of visits', () => {
  let world: World;
  let links: Link[];
  const mappers: { name: string; mapper: TestMapper; connection: Connection; headers: string }[] = [];
  /** Redirects of each link that count. */
  const taken = new Map<string, number>();

  function combine(passwordHash: string): Omit<Link, 'key'>[] {
    const guards: readonly LinkRules[] = [
      { passwordHash },
      { maxVisits: MAX_VISITS },
      { passwordHash, maxVisits: MAX_VISITS },
    ];
    return guards.flatMap((guard, index) =>
      Object.keys(CHOICES).flatMap((choice) =>
        (Object.keys(EXPIRIES) as Expiry[]).flatMap((expiry) =>
          [false, true].map((isForwarding) => {
            const targets = CHOICES[choice];
            const rules: LinkRules = {
              ...guard,
              ...(targets && { targets }),
              ...EXPIRIES[expiry].rules,
              ...(isForwarding && { forwardQuery: true, noindex: true }),
              ...(index === 1 && { redirectType: 308 }),
            };
            return { longUrl: TARGET, rules, choice, expiry };
          }),
        ),
      ),
    );
  }

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 10 });
    const settings = {
      publicUrl: 'https://go.example',
      following: { countryHeader: 'CF-IPCountry' },
      limits: { ...NO_LIMITS, trustedProxies: ['127.0.0.0/8'] },
    };
    const fast = await world.start(settings);
    const koa = await world.start({ ...settings, hasFastPaths: false });
    const combined = combine(await hashPassword(PASSWORD));
    const keys = await makeLinks(
      world,
      combined.map(({ longUrl, rules, expiry }) => ({
        longUrl,
        rules,
        expiresAt: EXPIRIES[expiry].expiresAt,
      })),
    );
    links = combined.map((link, index) => ({ ...link, key: keys[index] ?? '' }));
    const open = async (name: string, mapper: TestMapper, headers = ''): Promise<void> => {
      mappers.push({ name, mapper, connection: await Connection.open(mapper.url), headers });
    };
    await open('the front', fast);
    await open('the fast path behind Node', fast, 'X-Request-Id: mine\r\n');
    await open('Koa', koa);
  });

  after(async function () {
    this.timeout(60_000);
    for (const { connection } of mappers) connection.close();
    await world[Symbol.asyncDispose]();
  });

  /** Calls back for each link, each visitor, on each way through a mapper. */
  async function forEach(
    work: (
      story: string,
      link: Link,
      ask: (more: string, method?: string) => Promise<Answer>,
      location: string | undefined,
    ) => Promise<void>,
  ): Promise<void> {
    for (const { name, connection, headers: more } of mappers)
      for (const link of links)
        for (const visitor of ['an iPhone in Switzerland', 'nobody']) {
          const { headers = '', expected = {} } = VISITORS[visitor] ?? {};
          const ask = async (own: string): Promise<Answer> =>
            connection.ask(formatVisit('GET', pathOf(link.key, QUERY), headers + more + own));
          await work(
            `${name}, ${visitor}, ${JSON.stringify(link)}`,
            link,
            ask,
            reckon(link, expected, QUERY),
          );
        }
  }

  function follow(link: Link): void {
    if (link.rules.maxVisits !== undefined && link.expiry === 'never')
      taken.set(link.key, (taken.get(link.key) ?? 0) + 1);
  }

  it('leads exactly where the rules say with the right password, and where no password is asked', async function () {
    this.timeout(60_000);
    await forEach(async (story, link, ask, location) => {
      const { raw } = await ask(link.rules.passwordHash === undefined ? '' : RIGHT);
      const head = headOf(raw).slice(0, location === undefined ? 2 : undefined);
      expect(head, story).to.deep.equal(expectedHead(link, location));
      follow(link);
    });
  });

  it('asks for the password, and says nothing of the target; not where the link leads elsewhere', async function () {
    this.timeout(60_000);
    await forEach(async (story, link, ask, location) => {
      if (link.rules.passwordHash === undefined) return;
      const { status, raw } = await ask('');
      if (link.expiry !== 'never') {
        expect(status, story).to.equal(location === undefined ? 410 : 302);
        expect(raw, story).to.satisfy(
          (text: string) => location === undefined || text.includes(`Location: ${GONE}\r\n`),
        );
        return;
      }
      expect(status, story).to.equal(401);
      expect(raw, story)
        .to.not.match(SECRETS)
        .and.not.match(/^location:/im);
    });
  });

  it('answers a form with 303, whatever the type of the redirect', async function () {
    this.timeout(60_000);
    const body = `password=${encodeURIComponent(PASSWORD)}`;
    const { headers = '', expected = {} } = VISITORS['an iPhone in Switzerland'] ?? {};
    const form = `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n`;
    for (const { name, mapper } of mappers) {
      const connection = await Connection.open(mapper.url);
      for (const link of links.filter(({ rules }) => rules.passwordHash !== undefined)) {
        const location = reckon(link, expected, QUERY);
        const request = formatVisit('POST', pathOf(link.key, QUERY), headers + form) + body;
        const { raw } = await connection.ask(request);
        const head = headOf(raw).slice(0, location === undefined ? 2 : undefined);
        expect(head, `${name}, ${JSON.stringify(link)}`).to.deep.equal(expectedHead(link, location, true));
        follow(link);
      }
      connection.close();
    }
  });

  it('shows nobody the target who only looks, and uses up no visit for him', async function () {
    this.timeout(60_000);
    const living = links.filter(({ expiry }) => expiry === 'never');
    for (const { name, mapper, connection, headers } of mappers)
      for (const link of living) {
        const story = `${name}, ${JSON.stringify(link)}`;
        const password = link.rules.passwordHash === undefined ? '' : RIGHT;
        const path = pathOf(link.key, QUERY);
        const head = await sendRaw(mapper.url, formatVisit('HEAD', path, headers + password), '\r\n\r\n');
        expect(headOf(head), story).to.deep.equal([
          'HTTP/1.1 200 OK',
          'Content-Length: 0',
          'Cache-Control: no-store',
        ]);
        for (const request of [
          formatVisit('GET', path, BOT + headers + password),
          formatVisit('GET', `/${link.key}+?${QUERY}`, headers + password),
          formatVisit('GET', `/${link.key}+?${QUERY}`, `Accept: text/html\r\n${headers}${password}`),
        ]) {
          const { status, raw } = await connection.ask(request);
          expect(status, story).to.equal(200);
          expect(raw, story)
            .to.not.match(SECRETS)
            .and.not.match(/^location:/im);
        }
        if (link.rules.maxVisits === undefined) continue;
        const early = `Sec-Purpose: prefetch;prerender\r\n${headers}${password}`;
        const { status, raw } = await connection.ask(formatVisit('GET', path, early));
        expect(status, story).to.equal(503);
        expect(raw, story)
          .to.match(/^Cache-Control: no-store\r$/m)
          .and.not.match(SECRETS);
      }
  });

  it('has used up one visit for each redirect to a target', async () => {
    expect(taken.size).to.equal(20);
    for (const { sql } of world.urls) {
      const [rows] = await sql.query('SELECT unique_id, visits_left FROM urls WHERE visits_left IS NOT NULL');
      for (const { unique_id: key, visits_left: left } of rows as {
        unique_id: string;
        visits_left: number;
      }[])
        expect(left, key).to.equal(MAX_VISITS - (taken.get(key) ?? 0));
    }
  });
});
