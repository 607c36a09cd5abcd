import { expect } from 'chai';
import { withinOneDay } from '../../one-day.ts';
import { until } from '../../until.ts';
import { storeClicks } from '../api/counted-clicks.ts';
import { TARGET, useApi } from '../api/use-api.ts';
import { send, type Answer } from '../client.ts';
import { Browser, expectNoCode, fieldsOf, wordsOf } from './browser.ts';
import { newcomer } from './newcomer.ts';

const OVERVIEW = '/urls/-/statistics';
const EVIL = '<img src=x onerror=alert(1)>\u202E"\'&';

describe('pages with lists of links', () => {
  withinOneDay();
  const fixture = useApi({ keys: 300 });

  it('lists, searches and pages through one’s own links', async () => {
    const { cookie, browser } = await newcomer(fixture);
    expect(wordsOf(await browser.get('/urls'))).to.include('You have no links yet');
    for (let at = 0; at < 53; at += 1)
      await fixture.makeLink(cookie, { title: `Number ${at}.`, ...(at % 2 === 0 && { tags: ['even'] }) });
    const first = await browser.get('/urls');
    expect(first.text.match(/name="key"/g)).to.have.length(50);
    const [, next = ''] = /href="(\/urls\?cursor=[^"]+)"/.exec(first.text) ?? [];
    const second = await browser.get(next.replaceAll('&amp;', '&'));
    expect(second.text.match(/name="key"/g)).to.have.length(3);
    expect(wordsOf(second)).to.include('Number 0.').and.include('Newest');
    const found = await browser.get('/urls?q=number%205.');
    expect(found.text.match(/name="key"/g)).to.have.length(1);
    expect((await browser.get('/urls?tag=even')).text.match(/name="key"/g)).to.have.length(27);
    expect(wordsOf(await browser.get('/urls?tag=odd'))).to.include('No link is like that');
    const wrong = await browser.get(`/urls?q=${'x'.repeat(201)}`);
    expect([wrong.status, wordsOf(wrong).includes('must not exceed 200 characters')]).to.deep.equal([
      422,
      true,
    ]);
    expect((await browser.get('/urls?cursor=abc')).status).to.equal(422);
    const csv = await send('GET', `${fixture.mapper.url}/urls/export?format=csv`, {
      headers: { cookie, accept: 'text/html,*/*;q=0.8' },
    });
    expect(csv.headers['content-disposition']).to.include('attachment');
    expect(csv.text.trim().split('\r\n')).to.have.length(54);
  });

  it('shows the clicks of all links together, and the links that were followed most', async () => {
    const person = await fixture.people.person();
    const cookie = await fixture.people.session(person);
    const browser = new Browser(() => fixture.mapper.url, cookie);
    expect(wordsOf(await browser.get(OVERVIEW))).to.include('Nobody has followed any of your links');
    const today = new Date().toISOString().slice(0, 10);
    const key = await fixture.makeLink(cookie);
    for (const server of [0, 1])
      await storeClicks(
        fixture.world,
        { userId: person.id, server },
        {
          hours: { [`${today} 00:00:00`]: [30, 2] },
          values: [
            ['country', today, 'DE', 30, 0],
            ['referrer', today, '<script>alert(1)</script>"&', 30, 0],
            ...(server === 0 ? [['link', today, key, 30, 2] as const] : []),
          ].map((row) => [...row] as ['link', string, string, number, number]),
        },
      );
    const page = await browser.get(OVERVIEW);
    expectNoCode(page);
    expect(wordsOf(page))
      .to.match(/Clicks by people 60.*Germany 60/)
      .and.include('Followed most');
    expect(page.text).to.include(`href="/urls/${key}"`);
    const one = await browser.get(`${OVERVIEW}?period=7d&by=country`);
    expect(wordsOf(one)).to.include('Germany 60').and.not.include('Followed most');
    expect((await new Browser(() => fixture.mapper.url, '').get(OVERVIEW)).status).to.equal(303);
  });

  it('tags and deletes several links together, and says which could not be changed', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const keys = [
      await fixture.makeLink(cookie, { tags: ['kept'] }),
      await fixture.makeLink(cookie, { tags: Array.from({ length: 20 }, (_, at) => `t${at}`) }),
      await fixture.makeLink(cookie),
    ];
    const tagsOf = async (key: string): Promise<unknown> =>
      (await fixture.api.call('GET', `/urls/${key}`, { cookie })).json()['tags'];
    const [a = '', full = '', c = ''] = keys;
    const send = async (fields: object): ReturnType<Browser['post']> =>
      browser.post('/urls/bulk', { q: '', tag: '', state: 'active', cursor: '', ...fields });
    const added = await send({ key: [a, c], action: 'add', bulk_tag: 'news' });
    expect([added.status, added.headers.location]).to.deep.equal([303, '/urls?done=add&count=2']);
    expect([await tagsOf(a), await tagsOf(c)]).to.deep.equal([['kept', 'news'], ['news']]);
    expect(wordsOf(await browser.get('/urls?done=add&count=2'))).to.include('2 links got the tag.');
    const partly = await send({ key: [a, full, 'unknown1'], action: 'add', bulk_tag: EVIL });
    expect(partly.status).to.equal(200);
    expectNoCode(partly);
    expect(wordsOf(partly))
      .to.include('1 link changed, 2 links not')
      .and.include('must not have more than 20 tags');
    expect((await send({ key: [a, c], action: 'remove', bulk_tag: 'news' })).status).to.equal(303);
    expect([await tagsOf(a), await tagsOf(c)]).to.deep.equal([[EVIL, 'kept'], []]);
    expect(wordsOf(await send({ action: 'delete' }))).to.include('No link is chosen');
    expect(wordsOf(await send({ key: [a], action: 'add', bulk_tag: ' ' }))).to.include(
      'Say which tag you mean',
    );
    expect((await send({ key: keys, action: 'delete' })).headers.location).to.equal(
      '/urls?done=delete&count=3',
    );
    const deleted = await browser.get('/urls?state=deleted');
    for (const key of keys) expect(deleted.text).to.include(`href="/urls/${key}"`);
    expect(deleted.text).not.to.include('Add tags').and.not.to.include('value="delete"');
    const restored = await send({ state: 'deleted', key: [a, c], action: 'restore' });
    expect(restored.headers.location).to.equal('/urls?state=deleted&done=restore&count=2');
    expect(wordsOf(await browser.get('/urls?done=restore&count=2'))).to.include('2 links restored.');
    const active = await browser.get('/urls');
    for (const key of [a, c]) expect(active.text).to.include(`href="/urls/${key}"`);
    expect(active.text).not.to.include(`href="/urls/${full}"`);
    const mixed = await send({ key: [full, 'unknown1'], action: 'restore' });
    expect(wordsOf(mixed)).to.include('1 link changed, 1 link not');
  });

  it('imports a file that a form sends, and says what became of it', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const form = fieldsOf(await browser.get('/import'), '/import') as Record<string, string>;
    const table = `long_url,unique_id,title\n${TARGET},imported-1,${EVIL.replaceAll('"', '""')}\nnot a url,imported-2,x\n`;
    const taken = await browser.upload('/import', form, table);
    expect(taken.status, taken.text).to.equal(303);
    const path = taken.headers.location ?? '';
    expect(path).to.match(/^\/import\/[0-9a-f]{32}$/);
    await until('the import is done', async () =>
      wordsOf(await browser.get(path)).includes('The import is done'),
    );
    const page = await browser.get(path);
    const words = wordsOf(page);
    for (const part of ['no link may point at this target', 'imported-2', 'Links stored 1'])
      expect(words).to.include(part);
    expect(page.headers['refresh']).to.equal(undefined);
    expectNoCode(page);
    expectNoCode(await browser.get('/urls/imported-1'));
    expect(wordsOf(await browser.get('/urls/imported-1'))).to.include('onerror');
    const report = await send('GET', `${fixture.mapper.url}${path}/report`, {
      headers: { cookie, accept: 'text/html' },
    });
    expect(report.text.trim().split('\n')).to.have.length(2);
    for (const [fields, file, part] of [
      [form, '', 'File is empty'],
      [{ ...form, timezone: 'Mars' }, table, 'must be a time zone'],
    ] as const) {
      const refused = await browser.upload('/import', fields, file);
      expect([refused.status, wordsOf(refused)].join(' '))
        .to.include('422')
        .and.include(part);
      expect(fieldsOf(refused, '/import')).to.include({ from: 'auto', on_conflict: 'skip' });
    }
    expect((await browser.get('/import/0123456789abcdef0123456789abcdef')).status).to.equal(404);
    const raw = await send('POST', `${fixture.mapper.url}/import`, {
      headers: {
        cookie,
        accept: 'text/html',
        'content-type': 'multipart/form-data; boundary=b',
        origin: 'https://evil.example',
      },
      body: '--b--\r\n',
    });
    expect(raw.status).to.equal(403);
    const broken = await browser.post('/import', {}, { 'content-type': 'multipart/form-data; boundary=b' });
    expect(broken.status).to.be.oneOf([400, 422]);
  });

  it('lets administrators find and block links, and disable users', async () => {
    const { cookie, browser: owner, id } = await newcomer(fixture);
    const { browser: admin } = await newcomer(fixture, { isAdmin: true });
    const key = await fixture.makeLink(cookie, { title: EVIL });
    await fixture.api.call('POST', `/urls/${key}/report`, { body: { reason: EVIL } });
    for (const path of [`/admin/links?owner=${id}`, `/admin/reports?unique_id=${key}`]) {
      const page = await admin.get(path);
      expect(page.text, path).to.include(`href="/admin/links/${key}"`);
      expectNoCode(page);
    }
    expect(wordsOf(await admin.get('/admin/links?owner=nobody@example.com'))).to.include(
      'is the address of no account',
    );
    const path = `/admin/links/${key}`;
    const form = fieldsOf(await admin.get(path), path);
    const empty = await admin.post(path, { ...form, reason: ' ' });
    expect([empty.status, empty.text.includes('id="fault-reason"')]).to.deep.equal([422, true]);
    expect((await admin.post(path, { ...form, reason: 'It imitates a bank.' })).headers.location).to.equal(
      `${path}?done=blocked`,
    );
    expect((await send('GET', `${fixture.mapper.url}/${key}`)).status).to.equal(410);
    expect(wordsOf(await owner.get(`/urls/${key}`))).to.include('has blocked this link: It imitates a bank.');
    expect((await admin.post(path, { ...form, reason: 'Too late.' })).status).to.equal(412);
    expect((await admin.post(path, fieldsOf(await admin.get(path), path))).headers.location).to.equal(
      `${path}?done=unblocked`,
    );
    expect((await send('GET', `${fixture.mapper.url}/${key}`)).status).to.equal(302);
    const users = await admin.get('/admin/users');
    expectNoCode(users);
    const act = `/admin/users/${id}`;
    expect((await admin.post(act, fieldsOf(users, act))).headers.location).to.equal(
      '/admin/users?done=disabled',
    );
    expect((await owner.get('/urls')).status).to.equal(303);
    const self =
      /action="(\/admin\/users\/\d+)"/.exec((await admin.get('/admin/users?disabled=false')).text)?.[1] ?? '';
    expect(wordsOf(await admin.post(self, { disabled: 'true' }))).to.include('is yourself');
    for (const [path, part] of [
      ['/admin/orphans', 'Nobody asked for such a key'],
      ['/admin/orphans?day=never', 'must be a day'],
      ['/admin/domains', 'No administrator has blocked a domain.'],
      [`/admin/domains?host=${encodeURIComponent(EVIL)}`, 'This is no domain'],
      ['/admin/domains?host=example.com', 'Links to example.com are allowed'],
    ] as const) {
      const page = await admin.get(path);
      expect(wordsOf(page), path).to.include(part);
      expectNoCode(page);
    }
  });

  it('takes several tags with commas between them, and names the one that is none', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const key = await fixture.makeLink(cookie, { tags: ['kept', 'a, b'] });
    const tagsOf = async (): Promise<unknown> =>
      (await fixture.api.call('GET', `/urls/${key}`, { cookie })).json()['tags'];
    const send = async (action: string, bulk_tag: string): Promise<Answer> =>
      browser.post('/urls/bulk', { key: [key], action, bulk_tag });
    const added = await send('add', ' newtag, other ,newtag,, kept');
    expect(added.headers.location).to.equal('/urls?done=add-many&count=1');
    expect(wordsOf(await browser.get(String(added.headers.location)))).to.include('1 link got the tags.');
    expect(await tagsOf()).to.deep.equal(['a, b', 'kept', 'newtag', 'other']);
    expect((await send('remove', 'other, never')).headers.location).to.include('done=remove-many');
    expect(await tagsOf()).to.deep.equal(['a, b', 'kept', 'newtag']);
    // The API has made a tag with a comma.
    await send('remove', 'a, b');
    expect((await send('remove', 'newtag')).headers.location).to.include('done=remove&');
    expect(await tagsOf()).to.deep.equal(['kept']);
    const long = await send('add', `good, ${'x'.repeat(51)}`);
    expect(wordsOf(long)).to.match(/The tag x{30}… must not exceed 50 characters/);
    expect(fieldsOf(long, '/urls/bulk')).to.include({ bulk_tag: `good, ${'x'.repeat(51)}` });
    expect(wordsOf(await send('add', ' , '))).to.include('Say which tag you mean');
    const many = await send('add', Array.from({ length: 21 }, (_, at) => `t${at}`).join());
    expect(wordsOf(many)).to.include('The link must not have more than 20 tags.');
    expect(await tagsOf()).to.deep.equal(['kept']);
  });
});
