import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { beforeEnd } from '../../before-end.ts';
import { statusesOf } from '../both-paths.ts';
import { sendRaw, type Answer } from '../client.ts';
import { useApi } from '../api/use-api.ts';
import { NO_LIMITS } from '../world.ts';
import { counterOf } from './counters.ts';

function newTarget(): string {
  return `https://example.com/${randomUUID()}`;
}

function keyOf(answer: Answer): string {
  return String(answer.json()['unique_id']);
}

describe('find_if_exists', () => {
  const fixture = useApi({ keys: 400 });
  const { api } = fixture;
  const find = async (fields: object, sender: { cookie?: string } = {}): Promise<Answer> =>
    api.call('POST', '/urls', { ...sender, body: { find_if_exists: true, ...fields } });

  async function session(): Promise<string> {
    const { people } = fixture;
    return people.session(await people.person());
  }

  async function expectSame(first: Answer, second: Answer): Promise<void> {
    expect(first.status, first.text).to.equal(201);
    expect(second.status, second.text).to.equal(200);
    expect(second.text).to.equal(first.text);
    expect(second.headers['location']).to.equal(first.json()['short_url']);
    const followed = await api.call('GET', `/${keyOf(second)}`);
    expect([followed.status, followed.headers['location']]).to.deep.equal([302, first.json()['long_url']]);
  }

  async function expectOthers(first: Answer, ...others: Answer[]): Promise<void> {
    for (const other of others) expect(other.status, other.text).to.equal(201);
    expect(new Set([first, ...others].map(keyOf)).size).to.equal(1 + others.length);
  }

  for (const [what, type] of [
    ['on the fast path', 'application/json'],
    ['through Koa', 'application/json; charset=utf-8'],
  ] as const)
    it(`makes a link, and then finds it, ${what}`, async () => {
      const body = { long_url: newTarget(), find_if_exists: true };
      const call = async (): Promise<Answer> =>
        api.call('POST', '/urls', { body, headers: { 'content-type': type } });
      await expectSame(await call(), await call());
    });

  it('makes a link, and then finds it, at the socket', async () => {
    const body = JSON.stringify({ find_if_exists: true, long_url: newTarget() });
    const post = `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const answers = await sendRaw(
      fixture.mapper.url,
      `${post}${post}GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(statusesOf(answers)).to.deep.equal([201, 200, 404]);
    const ids = [...answers.matchAll(/"unique_id":"([\w-]+)"/g)].map(([, id]) => id);
    expect(ids[1]).to.equal(ids[0]);
  });

  it('is found with the name escaped in the body, and refused as no boolean', async () => {
    const text = `{"find\\u005fif_exists":true,"long_url":"${newTarget()}"}`;
    const call = async (body: string): Promise<Answer> => api.call('POST', '/urls', { body });
    await expectSame(await call(text), await call(text));
    for (const value of ['"true"', '1', '[]', '{}']) {
      const refused = await call(text.replace('true', value));
      expect(refused.status, refused.text).to.equal(422);
      expect(refused.json()['errors']).to.deep.equal([
        { field: 'find_if_exists', reason: 'must be true or false' },
      ]);
    }
  });

  it('is a usual request when it is false or null', async () => {
    const long_url = newTarget();
    const first = await find({ long_url });
    await expectOthers(
      first,
      await find({ long_url, find_if_exists: false }),
      await find({ long_url, find_if_exists: null }),
    );
  });

  it('compares the href of the target, and every field', async () => {
    const long_url = newTarget();
    const first = await find({ long_url });
    await expectSame(
      first,
      await find({ long_url: long_url.replace('https://example.com', 'HTTPS://EXAMPLE.com:443') }),
    );
    await expectSame(first, await find({ long_url, custom_alias: null, expiration_date: null }));
    await expectOthers(
      first,
      await find({ long_url: long_url.toUpperCase() }),
      await find({ long_url: `${long_url}/` }),
      await find({ long_url: `${long_url}?` }),
      await find({ long_url, expiration_date: '2999-01-01T00:00:00Z' }),
      await find({ long_url, expiration_date: '2999-01-01T00:00:01Z' }),
    );
  });

  it('finds no link of a usual request without an owner, nor one of an owner', async () => {
    const long_url = newTarget();
    const usual = await api.call('POST', '/urls', { body: { long_url } });
    const owned = await find({ long_url }, { cookie: await session() });
    await expectOthers(usual, owned, await find({ long_url }));
  });

  it('says 409 for an alias of another link, and 200 for one of the same', async () => {
    const long_url = newTarget();
    const custom_alias = `alias-${randomUUID().slice(0, 13)}`;
    const first = await find({ long_url, custom_alias });
    expect(keyOf(first)).to.equal(custom_alias);
    await expectSame(first, await find({ long_url, custom_alias }));
    const taken = await find({ long_url: newTarget(), custom_alias });
    expect([taken.status, taken.json()['errors']]).to.deep.equal([
      409,
      [{ field: 'custom_alias', reason: 'is taken' }],
    ]);
  });

  it('judges an expiry in the past each time', async () => {
    // Some ask at the very moment at which the store says for the first time that the link has expired.
    const askUntilRefused = async (): Promise<void> => {
      const { result: fields } = await beforeEnd(1_000, async (end) => {
        const made = { long_url: newTarget(), expiration_date: end.toISOString() };
        await expectSame(await find(made), await find(made));
        return made;
      });
      let answer = await find(fields);
      while (answer.status === 200 || answer.status === 201) answer = await find(fields);
      expect([answer.status, answer.json()['errors']], answer.text).to.deep.equal([
        422,
        [{ field: 'expiration_date', reason: 'is in the past' }],
      ]);
    };
    await Promise.all(Array.from({ length: 8 }, askUntilRefused));
  });

  it('compares rules of links that nobody owns, and their passwords', async () => {
    const long_url = newTarget();
    const rules = {
      redirect_type: 308,
      max_visits: 5,
      targets: [{ when: { device: ['ios'] }, long_url: newTarget() }],
      password: 'one',
    };
    const first = await find({ long_url, ...rules });
    const again = await find({ ...rules, long_url });
    expect([first.status, again.status, again.text]).to.deep.equal([201, 200, first.text]);
    expect(first.json()).to.include({ has_password: true, max_visits: 5, visits_left: 5 });
    await expectOthers(
      first,
      await find({ long_url, ...rules, password: 'two' }),
      await find({ long_url, ...rules, max_visits: 6 }),
      await find({ long_url, ...rules, targets: [] }),
    );
  });

  describe('of an owner', () => {
    it('compares rules and passwords', async () => {
      const cookie = await session();
      const long_url = newTarget();
      const targets = [{ when: { device: ['ios'], language: ['de'] }, long_url: newTarget() }];
      const rules = { noindex: true, valid_from: '2020-01-01T00:00:00Z', targets };
      const made = await api.call('POST', '/urls', { cookie, body: { long_url, ...rules } });
      const found = await find({ ...rules, long_url, forward_query: false }, { cookie });
      expect([found.status, found.text]).to.deep.equal([200, made.text]);
      const withPassword = await find({ long_url, ...rules, password: 'one' }, { cookie });
      await expectOthers(
        made,
        withPassword,
        await find({ long_url, ...rules, password: 'two' }, { cookie }),
        await find({ long_url, ...rules, forward_query: true }, { cookie }),
        await find({ long_url }, { cookie }),
      );
      const again = await find({ long_url, ...rules, password: 'one' }, { cookie });
      expect([again.status, again.text]).to.deep.equal([200, withPassword.text]);
    });

    it('finds a link that was made without it, whatever the order of its fields and tags', async () => {
      const cookie = await session();
      const fields = { long_url: newTarget(), title: 'Ours', tags: ['b', 'a'] };
      const made = await api.call('POST', '/urls', { cookie, body: fields });
      const found = await find(
        { tags: ['a', 'b', 'a'], title: 'Ours', long_url: fields.long_url },
        { cookie },
      );
      expect(found.status, found.text).to.equal(200);
      expect(found.json()).to.deep.equal(made.json());
    });

    it('makes one link for each spelling of the same fields that comes at the same time', async () => {
      const cookie = await session();
      const targets = [{ when: { language: ['de', 'DE'] }, long_url: newTarget() }];
      for (let round = 0; round < 5; round += 1) {
        const long_url = newTarget();
        const spellings = [
          { tags: ['a', 'b'], expiration_date: '2999-01-01T00:00:00Z', targets },
          {
            tags: ['b', 'a', 'b'],
            expiration_date: '2999-01-01T01:00:00+01:00',
            redirect_type: 302,
            targets,
          },
          {
            tags: ['a', 'b'],
            expiration_date: '2999-01-01T00:00:00.000Z',
            title: null,
            noindex: false,
            targets: [{ ...targets[0], when: { language: ['de'] } }],
          },
        ];
        const answers = await Promise.all(
          spellings.map(async (fields) => find({ long_url, ...fields }, { cookie })),
        );
        expect(answers.map(({ status }) => status)).to.have.members([200, 200, 201]);
        expect(new Set(answers.map(keyOf)).size).to.equal(1);
      }
    });

    it('finds the link of an alias for a request without one, and the newest of several', async () => {
      const cookie = await session();
      const long_url = newTarget();
      for (const custom_alias of [undefined, `own-${randomUUID().slice(0, 13)}`]) {
        const made = await api.call('POST', '/urls', { cookie, body: { long_url, custom_alias } });
        expect(keyOf(await find({ long_url }, { cookie }))).to.equal(keyOf(made));
      }
    });

    it('finds no link with other fields, and none of another owner', async () => {
      const [cookie, other] = [await session(), await session()];
      const long_url = newTarget();
      const first = await find({ long_url }, { cookie });
      await expectOthers(
        first,
        await find({ long_url, title: 'x' }, { cookie }),
        await find({ long_url, tags: ['x'] }, { cookie }),
        await find({ long_url, title: 'x', tags: ['x'] }, { cookie }),
        await find({ long_url, expiration_date: '2999-01-01T00:00:00Z' }, { cookie }),
        await find({ long_url }, { cookie: other }),
      );
      await expectSame(first, await find({ long_url }, { cookie }));
    });

    for (const [what, change] of [
      ['deleted', undefined],
      ['switched off', { disabled: true }],
      ['given another target', { long_url: 'https://example.com/elsewhere' }],
      ['given a title', { title: 'changed' }],
      ['given an expiry', { expiration_date: '2999-01-01T00:00:00Z' }],
    ] as const)
      it(`makes another link when the one that there was is ${what}`, async () => {
        const cookie = await session();
        const long_url = newTarget();
        const first = await find({ long_url }, { cookie });
        const path = `/urls/${keyOf(first)}`;
        const changed = await (change === undefined
          ? api.call('DELETE', path, { cookie })
          : api.call('PATCH', path, { cookie, body: change }));
        expect(changed.status, changed.text).to.be.oneOf([200, 204]);
        const second = await find({ long_url }, { cookie });
        await expectOthers(first, second);
        await expectSame(second, await find({ long_url }, { cookie }));
      });

    it('makes another link when the visits of the one that there was are used up', async () => {
      const cookie = await session();
      const fields = { long_url: newTarget(), max_visits: 2 };
      const first = await find(fields, { cookie });
      const follow = async (): Promise<number> => (await api.call('GET', `/${keyOf(first)}`)).status;
      expect(await follow()).to.equal(302);
      const found = await find(fields, { cookie });
      expect([found.status, keyOf(found), found.json()['visits_left']]).to.deep.equal([200, keyOf(first), 1]);
      expect(await follow()).to.equal(302);
      await expectOthers(first, await find(fields, { cookie }));
    });

    it('finds a link again that is switched on again, and answers with its state of now', async () => {
      const cookie = await session();
      const fields = { long_url: newTarget(), title: 'On and off' };
      const first = await find(fields, { cookie });
      const path = `/urls/${keyOf(first)}`;
      for (const disabled of [true, false]) await api.call('PATCH', path, { cookie, body: { disabled } });
      const found = await find(fields, { cookie });
      expect([found.status, keyOf(found)]).to.deep.equal([200, keyOf(first)]);
      expect(found.json()['version']).to.equal(3);
    });
  });

  it('counts for the limits on the fast path, and the answers say what is left', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, anonymous: 2 };
    const strict = await fixture.world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
    const body = JSON.stringify({ long_url: newTarget(), find_if_exists: true });
    const post = `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const last = post.replace('Host: x', 'Host: x\r\nConnection: close');
    const answers = await sendRaw(strict.url, post + post + last);
    expect(statusesOf(answers)).to.deep.equal([201, 200, 429]);
    const left = [...answers.matchAll(/RateLimit: "anonymous";r=(\d)/g)].map(([, rest]) => rest);
    expect(left).to.deep.equal(['1', '0', '0']);
    await strict.stop();
  });

  it('counts what it finds apart from what it makes', async () => {
    const before = await counterOf(fixture.mapper.adminUrl, 'shortens_total');
    const fields = { long_url: newTarget() };
    for (let request = 0; request < 3; request += 1) await find(fields);
    const now = await counterOf(fixture.mapper.adminUrl, 'shortens_total');
    const grown = (result: string): number => now(`result="${result}"`) - before(`result="${result}"`);
    expect([grown('created'), grown('found'), grown('replayed')]).to.deep.equal([1, 2, 0]);
  });
});
