import { expect } from 'chai';
import { canonicalCode } from '../../../db/keyspace/foreign-code.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import { createLog } from '../../../runtime/log.ts';
import { until } from '../../until.ts';
import { useApi } from '../api/use-api.ts';
import { expectProblem, send } from '../client.ts';
import type { TestMapper } from '../world.ts';
import { makeLinks } from './ruled-links.ts';

const QUIET = createLog('test', 'mapper', 'silent');

/** Codes of other shorteners, and spellings of their paths. */
const CODES: readonly (readonly [code: string, spellings: readonly string[]])[] = [
  ['1', ['1', '%31', '1?q=1']],
  ['ab', ['ab', 'a%62']],
  ['-', ['-']],
  ['v1.2', ['v1.2', 'v1%2E2', 'v1%2e2']],
  ['team/plan', ['team/plan', 'team%2Fplan', 'team%2fplan', 'te%61m/plan']],
  ['a/b/c/d', ['a/b/c/d']],
  ['bücher', ['b%C3%BCcher', 'b%c3%bccher']],
  ['🚀', ['%F0%9F%9A%80']],
  ['a b', ['a%20b']],
  ['100%25x', ['100%25x']],
  ['typed.x', ['typed.x']],
  ['x'.repeat(100), ['x'.repeat(100)]],
  ['я'.repeat(42), ['%D1%8F'.repeat(42)]],
];

const targetOf = (code: string): string => `https://example.com/?code=${encodeURIComponent(code)}`;

describe('links with codes of other shorteners', () => {
  const fixture = useApi();
  const { api } = fixture;
  let mappers: readonly TestMapper[];
  let cookie: string;

  before(async function () {
    this.timeout(60_000);
    const { world, mapper, people } = fixture;
    mappers = [mapper, await world.start({ hasFastPaths: false })];
    const owner = await people.person();
    cookie = await people.session(owner);
    await makeLinks(world, [{ key: 'typed-link', longUrl: 'https://example.com/typed' }]);
    await makeLinks(
      world,
      CODES.map(([code]) => ({ key: canonicalCode(code), longUrl: targetOf(code) })),
      { userId: owner.id, isAdmin: false },
    );
  });

  async function follow(path: string): Promise<(string | number)[]> {
    const answers = await Promise.all(mappers.map(async ({ url }) => send('GET', `${url}/${path}`)));
    return answers.map(({ status, headers }) => headers.location ?? status);
  }

  /** How many look-ups there were, in memory or in a store. */
  async function lookUps(): Promise<number> {
    const pages = await Promise.all(mappers.map(async ({ adminUrl }) => send('GET', `${adminUrl}/metrics`)));
    const counts = pages.flatMap(({ text }) => [
      ...text.matchAll(/^keymill_redirects_total\{result="(?:found|unknown)",.*\} (\d+)$/gm),
    ]);
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  it('are not looked up where none was ever stored', async () => {
    await until('the mappers to know that', async () => {
      const before = await lookUps();
      const answers = await follow('team/plan');
      return (await lookUps()) === before && answers.every((answer) => answer === 404);
    });
    const before = await lookUps();
    for (const [, [path = '']] of CODES.filter(([code]) => code !== 'typed.x'))
      expect(await follow(path), path).to.deep.equal([404, 404]);
    expect(await lookUps()).to.equal(before);
  });

  it('are followed soon after it was recorded that there are some, in every spelling', async function () {
    this.timeout(60_000);
    for (const { name, url, slots } of fixture.world.urls) {
      const db = openUrlsDb({ name, url, slots, log: QUIET });
      await db.recordForeignCodes();
      await db.recordForeignCodes();
      await db.close();
    }
    for (const [code, spellings] of CODES)
      for (const path of spellings)
        await until(`/${path}`, async () => {
          const targets = await follow(path);
          return targets.every((target) => target === targetOf(code));
        });
  });

  it('come after keys, and before keys that were typed with the text around them', async () => {
    expect(await follow('typed-link.')).to.deep.equal([
      'https://example.com/typed',
      'https://example.com/typed',
    ]);
    expect(await follow('typed-link/x')).to.deep.equal([404, 404]);
    expect(await follow('typed-link%2C')).to.deep.equal([
      'https://example.com/typed',
      'https://example.com/typed',
    ]);
    for (const path of ['team/plan/', 'team/plan).', 'team%2Fplan%22%3E', 'team/plan%E2%80%8B'])
      expect(await follow(path), path).to.deep.equal([targetOf('team/plan'), targetOf('team/plan')]);
    for (const { url } of mappers) {
      expectProblem(await send('GET', `${url}/urls/nothing-here/at/all`), 404);
      expectProblem(await send('GET', `${url}/URLS/nothing-here`), 404);
      expectProblem(await send('PUT', `${url}/team/plan`), 405);
      // As where there are no such codes.
      for (const method of ['GET', 'POST', 'PUT']) {
        const answer = await send(method, `${url}/no/plan`);
        expectProblem(answer, 404);
        expect(answer.json()['type'], method).to.equal('urn:keymill:problem:not-found');
      }
    }
  });

  it('have previews', async () => {
    for (const { url } of mappers) {
      const answer = await send('GET', `${url}/team/plan+`);
      expect(answer.status).to.equal(200);
      expect(answer.json()).to.include({ unique_id: 'team/plan', long_url: targetOf('team/plan') });
      expect((await send('GET', `${url}/b%C3%BCcher%2B`)).json()).to.include({ unique_id: 'b%C3%BCcher' });
    }
  });

  it('are one segment in paths of the API, encoded once more', async () => {
    const { mapper } = fixture;
    for (const segment of [
      'team%252Fplan',
      'team%2Fplan',
      'b%25C3%25BCcher',
      'b%C3%BCcher',
      '1',
      '100%2525x',
    ]) {
      const answer = await api.call('GET', `/urls/${segment}`, { cookie });
      expect(answer.status, `${segment}: ${answer.text}`).to.equal(200);
      const { unique_id: key, short_url: shortUrl } = answer.json() as {
        unique_id: string;
        short_url: string;
      };
      expect(shortUrl).to.equal(`${mapper.url}/${key}`);
      // As a client writes it that knows the key only.
      const again = await api.call('GET', `/urls/${encodeURIComponent(key)}`, { cookie });
      expect(again.json()['unique_id']).to.equal(key);
    }
    for (const segment of ['a%252F', 'urls%252Fx', '%252F', 'a%2Bb%2B'])
      expectProblem(await api.call('GET', `/urls/${segment}`, { cookie }), 404);
  });

  it('are changed, deleted and restored like others, on every mapper at once', async () => {
    const path = '/urls/team%252Fplan';
    const long_url = 'https://example.com/changed';
    expect((await api.call('PATCH', path, { cookie, body: { long_url } })).status).to.equal(200);
    expect(await follow('team/plan')).to.deep.equal([long_url, long_url]);
    expect((await api.call('DELETE', path, { cookie })).status).to.equal(204);
    expect(await follow('team%2Fplan')).to.deep.equal([410, 410]);
    expect((await api.call('POST', `${path}/restore`, { cookie })).status).to.equal(204);
    expect(await follow('team/plan')).to.deep.equal([long_url, long_url]);
    const many = { unique_ids: ['team/plan', 'b%C3%BCcher', 'a//b', '1'], set: { title: 'Old ones' } };
    const changed = await api.call('PATCH', '/urls/bulk', { cookie, body: many });
    expect((changed.json()['items'] as { status: number }[]).map(({ status }) => status)).to.deep.equal([
      200, 200, 404, 200,
    ]);
    const deleted = await api.call('POST', '/urls/bulk/delete', { cookie, body: { unique_ids: ['v1.2'] } });
    expect((deleted.json()['items'] as { status: number }[])[0]?.status).to.equal(204);
    expect(await follow('v1.2')).to.deep.equal([410, 410]);
    const drawn = await api.call('GET', `${path}/qr.svg`, { cookie });
    expect([drawn.status, drawn.headers['content-type']]).to.deep.equal([200, 'image/svg+xml']);
    const reported = await api.call('POST', `${path}/report`, { body: { reason: 'It is odd.' } });
    expect(reported.status).to.equal(202);
  });
});
