import { expect } from 'chai';
import * as fc from 'fast-check';
import { hasHash } from '../../../mapper/auth/password-hash.ts';
import type { Answer } from '../client.ts';
import { NO_LIMITS, type World } from '../world.ts';
import { ApiClient, problemKind } from './api-client.ts';
import type { People } from './people.ts';
import { NO_RULES, rowOf, RULES } from './ruled-links.ts';
import { TARGET, useApi } from './use-api.ts';

const FIVE = ['short_url', 'unique_id', 'long_url', 'created_at', 'expiration_date'];

describe('links with rules', () => {
  const fixture = useApi({ keys: 1_000 });
  const { api, makeLink } = fixture;
  let world: World;
  let people: People;
  let cookie: string;
  /** Answers everything by Koa. */
  let slow: ApiClient;

  before(async () => {
    ({ world, people } = fixture);
    cookie = await people.session(await people.person());
    const koa = await world.start({ hasFastPaths: false });
    slow = new ApiClient(() => koa.url, api.document);
  });

  function keyOf(answer: Answer): string {
    expect(answer.status, answer.text).to.equal(201);
    return String(answer.json()['unique_id']);
  }

  it('are made by anybody, with every rule, on both ways, and answered whole', async () => {
    for (const client of [api, slow]) {
      const made = await client.call('POST', '/urls', { body: { long_url: TARGET, ...RULES } });
      const row = await rowOf(world, keyOf(made));
      expect(made.json()).to.deep.include({ ...NO_RULES, ...RULES, visits_left: 3, title: null, version: 1 });
      expect(row).to.deep.include({ original_url: null, ruled_url: TARGET, visits_left: 3 });
      expect(row).to.deep.include({ user_id: null, owned: 0 });
      const stored = JSON.parse(row.rules ?? '') as object;
      expect(Object.keys(stored)).to.have.members([
        'validFrom',
        'redirectType',
        'forwardQuery',
        'maxVisits',
        'expiredUrl',
        'noindex',
        'targets',
      ]);
    }
  });

  it('are made by their owner, read and listed as they were answered', async () => {
    const body = { long_url: TARGET, title: 'T', tags: ['a'], password: 'secret', ...RULES };
    const { key: apiKey } = await people.key(await people.person(), ['links:write', 'links:read']);
    for (const client of [api, slow]) {
      const made = await client.call('POST', '/urls', { key: apiKey, body });
      const key = keyOf(made);
      expect(made.json()).to.deep.include({ ...RULES, has_password: true, visits_left: 3, title: 'T' });
      const read = await client.call('GET', `/urls/${key}`, { key: apiKey });
      expect(read.json()).to.deep.equal(made.json());
      const list = await client.call('GET', '/urls?limit=1', { key: apiKey });
      expect(list.json()['items']).to.deep.equal([made.json()]);
      expect(await rowOf(world, key)).to.deep.include({ original_url: null, owned: 1 });
      for (const { text } of [made, read, list]) expect(text).to.not.match(/argon2|"password"/);
    }
  });

  it('take an alias, also without an owner', async () => {
    const body = { long_url: TARGET, custom_alias: 'ruled-alias', max_visits: 1 };
    expect(keyOf(await api.call('POST', '/urls', { body }))).to.equal('ruled-alias');
    const again = await slow.call('POST', '/urls', { body });
    expect([again.status, problemKind(again)]).to.deep.equal([409, 'alias-taken']);
  });

  it('have a password as a hash only; a common one is good enough', async function () {
    this.timeout(60_000);
    for (const client of [api, slow])
      for (const password of ['1', 'password', 'ﬁ', '🔑'.repeat(256)]) {
        const key = keyOf(await client.call('POST', '/urls', { body: { long_url: TARGET, password } }));
        const { rules, visits_left } = await rowOf(world, key);
        const { passwordHash, ...others } = JSON.parse(rules ?? '') as { passwordHash: string };
        expect([others, visits_left]).to.deep.equal([{}, null]);
        expect(await hasHash(password.normalize('NFKC'), passwordHash)).to.equal(true);
      }
  });

  it('are plain links if all their rules are what plain links do, and answered whole', async () => {
    const body = { long_url: TARGET, redirect_type: 302, noindex: null, targets: [] };
    for (const client of [api, slow]) {
      const made = await client.call('POST', '/urls', { body });
      expect(made.json()).to.deep.include(NO_RULES);
      expect(await rowOf(world, keyOf(made))).to.deep.include({
        original_url: TARGET,
        ruled_url: null,
        rules: null,
      });
    }
  });

  it('are the only ones that are answered with more than five fields', async () => {
    const expiry = '2031-01-01T00:00:00.000Z';
    for (const client of [api, slow])
      for (const sender of [{}, { cookie }]) {
        const body = { long_url: TARGET, expiration_date: expiry, custom_alias: null };
        const made = await client.call('POST', '/urls', { ...sender, body });
        const { unique_id: key, created_at: at } = made.json() as Record<string, string>;
        const { url } = client === api ? fixture.mapper : { url: String(made.headers.location).slice(0, -9) };
        expect(made.text).to.equal(
          `{"short_url":"${url}/${key}","unique_id":"${key}","long_url":"${TARGET}","created_at":"${at}","expiration_date":"${expiry}"}`,
        );
        expect(Object.keys(made.json())).to.deep.equal(FIVE);
      }
  });

  it('refuse title and tags of somebody who is not known, and say why', async () => {
    const answer = await api.call('POST', '/urls', { body: { long_url: TARGET, title: 'x', tags: [] } });
    expect(answer.status).to.equal(422);
    const reason = 'is only for links with an owner: send an API key';
    expect(answer.json()['errors']).to.deep.equal([
      { field: 'title', reason },
      { field: 'tags', reason },
    ]);
  });

  it('refuse a field that is given twice, however deep', async () => {
    const target = '{"when":{"country":["DE"],"country":["AT"]},"long_url":"https://example.com/"}';
    for (const [text, field] of [
      [`"max_visits":1,"max_visits":2`, 'max_visits'],
      [`"targets":[{"when":{},"long_url":"https://example.com/"},${target}]`, 'targets.1.when.country'],
    ])
      for (const [method, path] of [
        ['POST', '/urls'],
        ['PATCH', '/urls/none'],
      ] as const) {
        const answer = await api.call(method, path, { cookie, body: `{"long_url":"${TARGET}",${text}}` });
        expect(answer.json()['errors']).to.deep.equal([{ field, reason: 'is given more than once' }]);
      }
  });

  it('get the same answer on both ways, whatever their fields are', async function () {
    this.timeout(60_000);
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(null, true, 301, 1, [], '2030-01-01T00:00:00Z', 'https://example.com/'),
      fc.constant(RULES.targets),
      fc.array(
        fc.record({
          when: fc.dictionary(fc.constantFrom('device', 'country', 'x'), fc.jsonValue()),
          long_url: fc.webUrl(),
        }),
        { maxLength: 3 },
      ),
    );
    const names = [...Object.keys(RULES), 'title', 'tags', 'expiration_date', '__proto__', 'x'];
    const fields = fc.dictionary(fc.constantFrom(...names), odd, { maxKeys: 4 });
    await fc.assert(
      fc.asyncProperty(fields, fc.boolean(), async (some, isKnown) => {
        const body = { long_url: TARGET, ...(JSON.parse(JSON.stringify(some)) as object) };
        const [fast, other] = await Promise.all(
          [api, slow].map(async (client) =>
            client.call('POST', '/urls', { body, ...(isKnown && { cookie }) }),
          ),
        );
        expect(fast?.status).to.equal(other?.status).and.to.be.oneOf([201, 422]);
        const isMade = fast?.status === 201;
        if (isMade) expect(Object.keys(fast.json())).to.deep.equal(Object.keys(other?.json() ?? {}));
        else expect(fast?.text).to.equal(other?.text);
      }),
      { numRuns: 200 },
    );
  });

  it('are in the lists of their states', async () => {
    const own = await people.session(await people.person());
    const targets = [{ when: {}, long_url: 'https://example.com/?%22disabled%22:true' }];
    const [ruled, disabled, over] = [
      await makeLink(own, { ...RULES, targets }),
      await makeLink(own, { noindex: true, targets }),
      await makeLink(own, { expired_url: 'https://example.com/', targets }),
    ];
    await api.call('PATCH', `/urls/${disabled}`, { cookie: own, body: { disabled: true } });
    for (const { sql } of world.urls)
      await sql.query(`UPDATE urls SET expires_at = '2026-01-01' WHERE unique_id = ?`, [over]);
    for (const [state, keys] of [
      ['active', [ruled]],
      ['disabled', [disabled]],
      ['expired', [over]],
      ['all', [over, disabled, ruled]],
    ] as const) {
      const list = await api.call('GET', `/urls?state=${state}`, { cookie: own });
      const items = list.json()['items'] as { unique_id: string; targets: object }[];
      expect(
        items.map(({ unique_id: key }) => key),
        state,
      ).to.deep.equal(keys);
      for (const item of items) expect(item.targets).to.deep.equal(targets);
    }
  });

  it('do not make other requests wait: beyond the queue of passwords they are 503', async function () {
    this.timeout(60_000);
    const strict = await world.start({ limits: NO_LIMITS });
    const there = new ApiClient(() => strict.url, api.document);
    const answers = await Promise.all(
      Array.from({ length: 40 }, async () =>
        there.call('POST', '/urls', { body: { long_url: TARGET, password: 'x' } }),
      ),
    );
    const refused = answers.filter(({ status }) => status !== 201);
    // One is hashed and 16 wait. On a busy machine some wait too long.
    expect(40 - refused.length).to.be.within(1, 18);
    for (const answer of refused) {
      expect([answer.status, problemKind(answer), answer.headers['retry-after']]).to.deep.equal([
        503,
        'overloaded',
        '2',
      ]);
    }
  });
});
