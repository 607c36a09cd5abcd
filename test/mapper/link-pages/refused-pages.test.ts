import { expect } from 'chai';
import { useApi } from '../api/use-api.ts';
import { NO_LIMITS, type TestMapper } from '../world.ts';
import { fieldsOf, wordsOf } from './browser.ts';
import { newcomer } from './newcomer.ts';

describe('pages of links that the service refuses', () => {
  const fixture = useApi({ keys: 200 });

  /** Does something on a mapper that lets sessions have few requests. */
  async function withLimit(session: number, work: (mapper: TestMapper) => Promise<void>): Promise<void> {
    const perMinute = { ...NO_LIMITS.perMinute, session };
    const strict = await fixture.world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
    try {
      await work(strict);
    } finally {
      await strict.stop();
    }
  }

  it('count the question about clicks too, and show the link without them', async () =>
    withLimit(3, async (strict) => {
      const { cookie, browser } = await newcomer(fixture, {}, () => strict.url);
      const path = `/urls/${await fixture.makeLink(cookie)}`;
      expect(wordsOf(await browser.get(path))).to.include('Nobody has followed this link');
      const page = await browser.get(path);
      expect(page.status).to.equal(200);
      expect(wordsOf(page)).to.include('Clicks cannot be read just now. Your sessions were used too often');
      expect((await browser.get('/urls')).status).to.equal(429);
    }));

  it('change nothing more after the last request that is allowed, and say what was changed', async () =>
    withLimit(7, async (strict) => {
      const { cookie, browser } = await newcomer(fixture, {}, () => strict.url);
      const keys: string[] = [];
      for (let at = 0; at < 12; at += 1) keys.push(await fixture.makeLink(cookie));
      const page = await browser.post('/urls/bulk', { key: keys, action: 'add', bulk_tag: 'news' });
      expect(page.status).to.equal(429);
      expect(page.headers).to.include.keys('retry-after');
      const [, changed] = /(\d+) links? changed, \d+ links? not/.exec(wordsOf(page)) ?? [];
      expect(wordsOf(page)).to.include('sessions were used too often').and.include('It was not tried');
      const tagged = await fixture.api.call('GET', '/urls?tag=news', { cookie });
      expect(tagged.json()['items']).to.have.length(Number(changed));
    }));

  it('keep the boxes that are ticked and the tag that was typed', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const [a, b] = [await fixture.makeLink(cookie), await fixture.makeLink(cookie)];
    const bulk = '/urls/bulk';
    const noTag = await browser.post(bulk, { key: [a], action: 'add', bulk_tag: ' ' });
    expect(wordsOf(noTag)).to.include('Say which tag you mean');
    expect(fieldsOf(noTag, bulk)).to.include({ key: a });
    const noLink = await browser.post(bulk, { action: 'add', bulk_tag: 'news' });
    expect(fieldsOf(noLink, bulk)).to.include({ bulk_tag: 'news' }).and.not.have.any.keys('key');
    const many = Array.from({ length: 60 }, (_, at) => `never-${at}`);
    const tooMany = await browser.post(bulk, { key: [b, ...many], action: 'add', bulk_tag: 'news' });
    expect([tooMany.status, wordsOf(tooMany).includes('at most 50 links')]).to.deep.equal([422, true]);
    expect(fieldsOf(tooMany, bulk)).to.include({ key: b, bulk_tag: 'news' });
  });

  it('show a link that somebody else has changed, instead of deleting it', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const key = await fixture.makeLink(cookie, { title: 'Mine' });
    const path = `/urls/${key}`;
    const before = await browser.get(path);
    const form = fieldsOf(before, `${path}/delete`);
    await browser.post(path, { ...fieldsOf(before, path), title: 'Theirs' });
    const late = await browser.post(`${path}/delete`, form);
    expect(late.status).to.equal(412);
    expect(wordsOf(late)).to.include('it is not deleted').and.include('Theirs').and.not.include('If-Match');
    const deleted = await browser.post(`${path}/delete`, fieldsOf(late, `${path}/delete`));
    expect(deleted.headers.location).to.equal(`${path}?done=deleted`);
  });

  it('take a second deletion of a link as done, by the back button or in another tab', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const path = `/urls/${await fixture.makeLink(cookie)}`;
    const form = fieldsOf(await browser.get(path), `${path}/delete`);
    for (const count of [1, 2]) {
      const { headers } = await browser.post(`${path}/delete`, form);
      expect(headers.location, String(count)).to.equal(`${path}?done=deleted`);
    }
  });

  it('say what to do with a change of a link that was deleted or blocked meanwhile', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const key = await fixture.makeLink(cookie, { title: 'Mine' });
    const path = `/urls/${key}`;
    const form = { ...fieldsOf(await browser.get(path), path), title: 'Typed' };
    await fixture.api.call('DELETE', path, { cookie });
    const late = await browser.post(path, form);
    expect(late.status).to.equal(412);
    expect(wordsOf(late))
      .to.include('This link was deleted meanwhile')
      .and.include('Restore it in another tab');
    expect(wordsOf(late)).not.to.include('Somebody else');
    await browser.post(`${path}/restore`, {});
    const restored = await browser.post(path, fieldsOf(late, path));
    const saved = await browser.post(path, fieldsOf(restored, path));
    expect(saved.headers.location).to.equal(`${path}?done=saved`);
    const again = { ...fieldsOf(await browser.get(path), path), title: 'Typed again' };
    const admin = await newcomer(fixture, { isAdmin: true });
    await fixture.api.call('PATCH', `/admin/links/${key}`, {
      cookie: admin.cookie,
      body: { blocked: true, reason: 'spam' },
    });
    const refused = await browser.post(path, again);
    expect([refused.status, wordsOf(refused).includes('save again')]).to.deep.equal([412, false]);
    expect(wordsOf(refused)).to.include('An administrator has blocked this link meanwhile');
  });

  it('offer no change of a blocked link, except to administrators', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const admin = await newcomer(fixture, { isAdmin: true });
    const path = `/urls/${await fixture.makeLink(cookie)}`;
    const block = async (fields: object): Promise<unknown> =>
      fixture.api.call('PATCH', `/admin${path.replace('urls', 'links')}`, {
        cookie: admin.cookie,
        body: fields,
      });
    await block({ blocked: true, reason: 'spam' });
    const page = await browser.get(path);
    expect(page.text).not.to.include('id="change"');
    expect(fieldsOf(page, `${path}/delete`)).to.have.all.keys('version');
    expect((await admin.browser.get(path)).text).to.include('id="change"');
    await browser.post(`${path}/delete`, fieldsOf(page, `${path}/delete`));
    const restored = await browser.post(`${path}/restore`, {});
    const words = wordsOf(await browser.get(restored.headers.location ?? ''));
    expect(words).to.include('has blocked this link').and.not.include('can be followed');
    await block({ blocked: false });
    expect((await browser.get(path)).text).to.include('id="change"');
  });

  it('take no form that is not UTF-8, and store nothing of it', async () => {
    const { cookie, browser } = await newcomer(fixture);
    const path = `/urls/${await fixture.makeLink(cookie, { title: 'Mine' })}`;
    const form = new URLSearchParams(fieldsOf(await browser.get(path), path) as Record<string, string>);
    for (const title of ['caf%E9', '%C3', 'a%ed%a0%80', '%F0%9F%98+x', Buffer.from([0x63, 0xe9])]) {
      form.set('title', 'HERE');
      const [before = '', after = ''] = form.toString().split('HERE');
      const body = Buffer.concat([Buffer.from(before), Buffer.from(title), Buffer.from(after)]);
      const page = await browser.postBytes(path, body);
      expect([page.status, page.headers['content-type']]).to.deep.equal([400, 'text/html; charset=utf-8']);
      expect(wordsOf(page)).to.include('not valid UTF-8');
    }
    const link = await fixture.api.call('GET', path, { cookie });
    expect(link.json()).to.include({ title: 'Mine', version: 1 });
    form.set('title', '\uFFFD, 100 % é');
    expect((await browser.postBytes(path, Buffer.from(form.toString()))).status).to.equal(303);
    const changed = await fixture.api.call('GET', path, { cookie });
    expect(changed.json()['title']).to.equal('\uFFFD, 100 % é');
  });

  it('say of no list of administrators that it is empty when they could not look', async () => {
    const { browser } = await newcomer(fixture, { isAdmin: true });
    for (const path of ['/admin/users?cursor=x', '/admin/reports?cursor=x', '/admin/links?cursor=x']) {
      const page = await browser.get(path);
      expect(page.status, path).to.equal(422);
      expect(wordsOf(page), path)
        .to.include('This address is not of this list')
        .and.not.match(/cursor|Nobody|No /);
    }
    const day = wordsOf(await browser.get('/admin/orphans?day=never'));
    expect(day).to.include('day').and.not.include('Nobody');
  });
});
