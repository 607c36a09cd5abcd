import { expect } from 'chai';
import * as fc from 'fast-check';
import { send, type Answer } from '../client.ts';
import type { World } from '../world.ts';
import type { People } from './people.ts';
import { NO_RULES, rowOf, RULES } from './ruled-links.ts';
import { TARGET, useApi } from './use-api.ts';

describe('changes of the rules of a link', () => {
  const fixture = useApi({ keys: 1_000 });
  const { api, makeLink } = fixture;
  let world: World;
  let people: People;
  let cookie: string;

  before(async () => {
    ({ world, people } = fixture);
    cookie = await people.session(await people.person());
  });

  async function patch(key: string, body: object): Promise<Answer> {
    return api.call('PATCH', `/urls/${key}`, { cookie, body });
  }

  it('change each rule alone, and clear it with null', async () => {
    const key = await makeLink(cookie);
    let version = 1;
    for (const [field, value] of Object.entries({ ...RULES, disabled: true, password: 'x' })) {
      const shown = field === 'password' ? { has_password: true } : { [field]: value };
      const set = await patch(key, { [field]: value });
      version += 1;
      expect(set.json(), set.text).to.deep.include({ ...shown, version });
      expect((await rowOf(world, key)).original_url).to.equal(null);
      if (field !== 'password') expect((await patch(key, { [field]: value })).json()).to.include({ version });
      const cleared = await patch(key, { [field]: null });
      version += 1;
      expect(cleared.json()).to.deep.include({ ...NO_RULES, disabled: false, version });
      expect(await rowOf(world, key)).to.deep.include({ original_url: TARGET, ruled_url: null, rules: null });
    }
    expect((await patch(key, {})).headers.etag).to.match(new RegExp(`^"${version}-`));
  });

  it('are after any changes what the changes say', async function () {
    this.timeout(60_000);
    const values = {
      valid_from: fc.constantFrom('2030-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z'),
      redirect_type: fc.constantFrom(301, 302, 307, 308),
      forward_query: fc.boolean(),
      max_visits: fc.integer({ min: 1, max: 1_000_000 }),
      expired_url: fc.webUrl({ validSchemes: ['https'] }).map((url) => new URL(url).href),
      noindex: fc.boolean(),
      targets: fc.constantFrom<object[]>([], RULES.targets, [{ when: {}, long_url: TARGET }]),
      disabled: fc.boolean(),
      title: fc.constantFrom('T', 'Größe 💡'),
      tags: fc.constantFrom<string[]>([], ['a'], ['a', 'b']),
      long_url: fc.constantFrom(TARGET, 'https://example.com/other'),
    };
    const cleared: Readonly<Record<string, unknown>> = {
      ...NO_RULES,
      disabled: false,
      title: null,
      tags: [],
    };
    const changes = fc.array(
      fc.record(
        {
          ...Object.fromEntries(
            Object.entries(values).map(([name, value]) => [
              name,
              name === 'long_url' ? value : fc.option<unknown>(value),
            ]),
          ),
          password: fc.constant(null),
        },
        { requiredKeys: [] },
      ),
      { minLength: 1, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(changes, async (all) => {
        const key = await makeLink(cookie);
        const { has_password: _, ...none } = cleared;
        let expected: Record<string, unknown> = { ...none, long_url: TARGET };
        for (const change of all) {
          for (const [name, value] of Object.entries(change))
            if (name !== 'password') expected = { ...expected, [name]: value ?? cleared[name] };
          // Nobody has followed it.
          expected['visits_left'] = expected['max_visits'];
          const { status, text } = await patch(key, change);
          expect(status, text).to.equal(200);
        }
        const read = await api.call('GET', `/urls/${key}`, { cookie });
        expect(read.json()).to.deep.include(expected);
        const isPlain = Object.keys(NO_RULES).every(
          (name) => JSON.stringify(read.json()[name]) === JSON.stringify(cleared[name]),
        );
        const row = await rowOf(world, key);
        expect(row.rules === null).to.equal(isPlain && expected['disabled'] === false);
        expect(row.rules === null ? row.original_url : row.ruled_url).to.equal(expected['long_url']);
        expect(row.rules === null ? row.ruled_url : row.original_url).to.equal(null);
      }),
      { numRuns: 60 },
    );
  });

  it('keep the rules that a change does not name', async () => {
    const key = await makeLink(cookie, { ...RULES, password: 'x' });
    const { rules } = await rowOf(world, key);
    const changed = await patch(key, { long_url: 'https://example.com/other', title: 'T' });
    expect(changed.json()).to.deep.include({ ...RULES, has_password: true, visits_left: 3, title: 'T' });
    const after = await rowOf(world, key);
    expect(JSON.parse(after.rules ?? '')).to.deep.equal(JSON.parse(rules ?? ''));
    expect(after.ruled_url).to.equal('https://example.com/other');
  });

  it('judge the targets of a change as those of a new link', async () => {
    const key = await makeLink(cookie);
    const answer = await patch(key, {
      long_url: 'ftp://example.com/',
      expired_url: 'http://127.0.0.1/',
      targets: [RULES.targets[0], { when: {}, long_url: `${fixture.mapper.url}/x` }],
    });
    expect(answer.status).to.equal(422);
    const faults = answer.json()['errors'] as { field: string }[];
    expect(faults.map(({ field }) => field)).to.deep.equal(['long_url', 'expired_url', 'targets.1.long_url']);
    const spelled = await patch(key, { expired_url: ' HTTPS://EXAMPLE.com' });
    expect(spelled.json()).to.include({ expired_url: 'https://example.com/' });
  });

  it('cannot expire before they are valid: the answer names the field that was sent', async () => {
    const [early, late] = ['2030-01-01T00:00:00.000Z', '2031-01-01T00:00:00.000Z'];
    const key = await makeLink(cookie, { expiration_date: early });
    for (const [body, field] of [
      [{ valid_from: late }, 'valid_from'],
      [{ valid_from: early }, 'valid_from'],
    ] as const) {
      const refused = await patch(key, body);
      expect([refused.status, refused.json()['errors']]).to.deep.equal([
        422,
        [{ field, reason: 'must be before expiration_date' }],
      ]);
    }
    expect((await patch(key, { valid_from: early, expiration_date: late })).status).to.equal(200);
    const refused = await patch(key, { expiration_date: early });
    expect(refused.json()['errors']).to.deep.equal([
      { field: 'expiration_date', reason: 'must be after valid_from' },
    ]);
    expect((await patch(key, { expiration_date: null, valid_from: late })).status).to.equal(200);
  });

  it('are possible, and the list is whole, whatever a newer program has written', async () => {
    const own = await people.session(await people.person());
    const rules = [
      '{"targets":5,"validFrom":[],"redirectType":"x","maxVisits":"y","expiredUrl":{},"passwordHash":1}',
      '{"targets":[null,{"when":null},{"when":{"device":"ios"},"longUrl":1}],"blocked":false}',
      '{"targets":[{"when":{"browser":["firefox"]},"longUrl":"https://example.com/"}],"overdrawn":"z"}',
      '{"disabled":"yes","forwardQuery":1,"noindex":null,"__proto__":{"disabled":true},"constructor":1}',
      'no JSON',
      '[]',
    ];
    const keys: string[] = [];
    for (const text of rules) {
      const key = await makeLink(own);
      keys.push(key);
      for (const { sql } of world.urls)
        await sql.query(
          'UPDATE urls SET rules = ?, ruled_url = original_url, original_url = NULL WHERE unique_id = ?',
          [text, key],
        );
    }
    const list = await api.call('GET', '/urls?state=all', { cookie: own });
    expect(list.json()['items'], list.text).to.have.lengthOf(rules.length);
    for (const key of keys) expect((await send('GET', `${fixture.mapper.url}/${key}`)).status).to.equal(503);
    for (const key of keys)
      for (const body of [{ title: 'x' }, { max_visits: 3 }, { max_visits: 5 }, { max_visits: null }]) {
        const { status, text } = await api.call('PATCH', `/urls/${key}`, { cookie: own, body });
        if (status !== 403) expect(status, text).to.equal(200);
        expect((await rowOf(world, key)).original_url).to.equal(null);
      }
  });

  it('hash no password for a link that the sender cannot change', async () => {
    const key = await makeLink(cookie);
    const other = await people.session(await people.person());
    const foreign = await api.call('PATCH', `/urls/${key}`, { cookie: other, body: { password: 'x' } });
    const unknown = await api.call('PATCH', '/urls/none1234', { cookie: other, body: { password: 'x' } });
    expect([foreign.status, foreign.text]).to.deep.equal([404, unknown.text]);
  });
});
