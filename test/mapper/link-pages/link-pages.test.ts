import { expect } from 'chai';
import { withinOneDay } from '../../one-day.ts';
import { sketchOf, storeClicks } from '../api/counted-clicks.ts';
import { TARGET, useApi } from '../api/use-api.ts';
import { send, type Answer } from '../client.ts';
import { Browser, expectNoCode, fieldsOf, wordsOf } from './browser.ts';
import { newcomer, type Newcomer } from './newcomer.ts';

describe('pages of links', () => {
  withinOneDay();
  const fixture = useApi({ keys: 200 });
  let cookie: string;
  let browser: Browser;
  let linkOf: Newcomer['linkOf'];

  before(async () => {
    ({ cookie, browser, linkOf } = await newcomer(fixture));
  });

  function expectSeeOther({ status, headers, text }: Answer, location: string | RegExp): string {
    expect(status, text).to.equal(303);
    expect(headers.location).to.match(typeof location === 'string' ? new RegExp(`^${location}$`) : location);
    return headers.location ?? '';
  }

  it('makes a link with all that it can have, and shows it', async () => {
    const form = fieldsOf(await browser.get('/urls/-/new'), '/urls/-/new');
    const filled = {
      ...form,
      long_url: TARGET,
      custom_alias: 'spring-sale',
      title: 'Spring sale',
      tags: 'news, spring',
      expiration_date: '2040-01-31T12:00',
      redirect_type: '307',
      max_visits: '1000',
      password: 'a secret',
      forward_query: 'true',
      'targets.0.long_url': 'https://example.com/ios',
      'targets.0.when.device': ['ios'],
      'targets.0.when.country': 'de, at',
    };
    const made = await browser.post('/urls/-/new', filled);
    expectSeeOther(made, '/urls/spring-sale\\?done=made');
    expect(await linkOf('spring-sale')).to.deep.include({
      title: 'Spring sale',
      tags: ['news', 'spring'],
      expiration_date: '2040-01-31T12:00:00.000Z',
      redirect_type: 307,
      max_visits: 1_000,
      has_password: true,
      forward_query: true,
      targets: [{ when: { device: ['ios'], country: ['DE', 'AT'] }, long_url: 'https://example.com/ios' }],
    });
    const page = await browser.get('/urls/spring-sale?done=made');
    const words = wordsOf(page);
    for (const part of [
      'The link is made',
      'Spring sale',
      TARGET,
      'https://example.com/ios',
      '1,000 of 1,000',
    ])
      expect(words).to.include(part);
    expect(page.text).not.to.include('a secret');
    // A form that is sent twice makes one link.
    expectSeeOther(await browser.post('/urls/-/new', filled), '/urls/spring-sale\\?done=found');
    // A form that is shown again is another request.
    const taken = await browser.post('/urls/-/new', { ...filled, idempotency_key: 'another' });
    expect(taken.status).to.equal(409);
    expect(wordsOf(taken)).to.include('taken');
    expect(fieldsOf(taken, '/urls/-/new')).to.include({ title: 'Spring sale', tags: 'news, spring' });
  });

  it('shows what is wrong at its field, with what was typed', async () => {
    const form = fieldsOf(await browser.get('/urls/-/new'), '/urls/-/new');
    const refused = await browser.post('/urls/-/new', {
      ...form,
      long_url: 'javascript:alert(1)',
      custom_alias: 'a b',
      expiration_date: 'soon',
      max_visits: 'many',
      'targets.3.when.country': 'XX',
      'targets.3.long_url': TARGET,
    });
    expect(refused.status).to.equal(422);
    expectNoCode(refused);
    for (const name of [
      'long_url',
      'custom_alias',
      'expiration_date',
      'max_visits',
      'targets.0.when.country',
    ]) {
      expect(refused.text, name).to.include(`id="fault-${name}"`);
      expect(refused.text, name).to.match(
        new RegExp(`<input[^>]*name="${name.replaceAll('.', '\\.')}"[^>]*aria-invalid="true"`),
      );
    }
    expect(refused.text).to.include('href="#field-long_url"').and.include('href="#field-targets"');
    expect(fieldsOf(refused, '/urls/-/new')).to.include({
      long_url: 'javascript:alert(1)',
      custom_alias: 'a b',
      expiration_date: 'soon',
      'targets.0.when.country': 'XX',
    });
  });

  it('changes only what was changed in the form, and leads by it at once', async () => {
    const key = await fixture.makeLink(cookie, { title: 'Before', tags: ['a, b', 'kept'], max_visits: 9 });
    const path = `/urls/${key}`;
    const form = fieldsOf(await browser.get(path), path);
    expectSeeOther(await browser.post(path, form), `${path}\\?done=unchanged`);
    expect(await linkOf(key)).to.include({ version: 1 });
    const next = {
      ...form,
      title: 'After',
      kept_tags: ['kept'],
      tags: 'new',
      long_url: 'https://example.com/new',
    };
    expectSeeOther(await browser.post(path, next), `${path}\\?done=saved`);
    expect(await linkOf(key)).to.deep.include({
      title: 'After',
      tags: ['kept', 'new'],
      max_visits: 9,
      version: 2,
    });
    const followed = await send('GET', `${fixture.mapper.url}/${key}`);
    expect(followed.headers.location).to.equal('https://example.com/new');
    const wrong = await browser.post(path, {
      ...form,
      ...fieldsOf(await browser.get(path), path),
      long_url: 'x',
    });
    expect(wrong.status).to.equal(422);
    expect(wrong.text).to.include('id="fault-long_url"').and.include('value="x"');
  });

  it('keeps two people who change the same link from overwriting each other', async () => {
    const key = await fixture.makeLink(cookie, { title: 'Before', tags: ['one'] });
    const path = `/urls/${key}`;
    const form = fieldsOf(await browser.get(path), path);
    expectSeeOther(await browser.post(path, { ...form, tags: 'theirs' }), `${path}\\?done=saved`);
    const late = await browser.post(path, { ...form, title: 'Mine' });
    expect(late.status).to.equal(412);
    expect(wordsOf(late)).to.include('Somebody else has changed this link meanwhile');
    expect(await linkOf(key)).to.deep.include({ title: 'Before', tags: ['one', 'theirs'] });
    const merged = fieldsOf(late, path);
    expect(merged).to.deep.include({ title: 'Mine', kept_tags: ['one', 'theirs'] });
    expectSeeOther(await browser.post(path, merged), `${path}\\?done=saved`);
    expect(await linkOf(key)).to.deep.include({ title: 'Mine', tags: ['one', 'theirs'], version: 3 });
    expect((await browser.post(path, { ...merged, version: '', title: 'No version' })).status).to.equal(412);
    expect((await browser.post(`${path}/delete`, { version: '"1-00000000"' })).status).to.equal(412);
  });

  it('deletes a link, says so, and restores it', async () => {
    const key = await fixture.makeLink(cookie);
    const path = `/urls/${key}`;
    const form = fieldsOf(await browser.get(path), `${path}/delete`);
    expectSeeOther(await browser.post(`${path}/delete`, form), `${path}\\?done=deleted`);
    expect((await send('GET', `${fixture.mapper.url}/${key}`)).status).to.equal(410);
    const page = await browser.get(`${path}?done=deleted`);
    expect(wordsOf(page)).to.include('This link is deleted');
    expect(page.text).not.to.include(`action="${path}/delete"`);
    expectSeeOther(await browser.post(`${path}/restore`, {}), `${path}\\?done=restored`);
    expect((await send('GET', `${fixture.mapper.url}/${key}`)).status).to.equal(302);
  });

  it('shows clicks of a period as charts and tables, and is small', async () => {
    const key = await fixture.makeLink(cookie, { title: 'Followed' });
    const today = new Date().toISOString().slice(0, 10);
    await storeClicks(
      fixture.world,
      { key },
      {
        hours: { [`${today} 00:00:00`]: [1_234, 56] },
        values: [
          ['referrer', today, 't.co', 1_000, 0],
          ['referrer', today, '', 234, 56],
          ['country', today, 'DE', 1_234, 56],
          ...Array.from(
            { length: 20 },
            (_, at) => ['browser', today, `Browser ${at}`, at === 0 ? 75 : 61, at === 0 ? 18 : 2] as const,
          ),
        ],
        visitors: [[today, 'a', sketchOf(300)]],
      },
    );
    const page = await browser.get(`/urls/${key}?period=90d&tz=Europe/Berlin`);
    const words = wordsOf(page);
    for (const part of ['1,234', 'Germany', 't.co', 'Direct, or not known', '13 others', 'All 20'])
      expect(words).to.include(part);
    expect(page.text.match(/<g><title>/g)).to.have.length.within(90, 91);
    expect(page.text).to.include('role="img" aria-label="Clicks by day, from');
    // Scripts add the clicks as they happen; without them nobody sees an empty part.
    expect(page.text).to.match(new RegExp(`data-live="/urls/${key}/clicks/live"[^>]* hidden>`));
    expect(page.text).to.include(`src="/urls/${key}/qr.svg?margin=2"`);
    expect(page.text).to.include('aria-current="true">90 days');
    expect(page.text).to.include('period=7d&amp;tz=Europe%2FBerlin#clicks');
    expect(Buffer.byteLength(page.text)).to.be.below(70_000);
    expectNoCode(page);
    const all = await browser.get(`/urls/${key}?by=browser`);
    expect(wordsOf(all)).to.include('Browser 19').and.not.include('Countries');
    expect(wordsOf(await browser.get(`/urls/${key}?tz=Mars`))).to.include('is no time zone');
  });

  it('shows any text as text', async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>\u202Egnp.\u2066' & {{7*7}}`;
    const key = await fixture.makeLink(cookie, {
      title: evil,
      tags: [evil.slice(0, 50), 'x'.repeat(50)],
      long_url: `https://example.com/?q=${'<b>'.repeat(200)}"'`,
      targets: [{ when: { device: ['ios'] }, long_url: `https://example.com/${'y'.repeat(1_900)}` }],
    });
    for (const path of [
      `/urls/${key}`,
      '/urls',
      `/urls?${new URLSearchParams({ q: evil, tag: evil.slice(0, 50), state: 'all' }).toString()}`,
      `/urls?${new URLSearchParams({ q: 'z'.repeat(10_000) }).toString()}`,
      `/urls?${new URLSearchParams({ state: evil, cursor: evil, done: evil, count: evil }).toString()}`,
      `/urls/${key}?${new URLSearchParams({ period: evil, tz: evil, by: evil, done: evil }).toString()}`,
      `/urls/-/new?${new URLSearchParams({ url: evil }).toString()}`,
    ]) {
      const page = await browser.get(path);
      expect(page.status, path).to.be.oneOf([200, 422]);
      expectNoCode(page);
    }
    const page = await browser.get(`/urls/${key}`);
    expect(wordsOf(page)).to.include(evil);
    expect(page.text).to.match(/<h1 class="foreign">\s*<bdi>&quot;&gt;&lt;script&gt;/);
  });

  it('is for the owner alone, and for browsers', async () => {
    const key = await fixture.makeLink(cookie);
    const { browser: other } = await newcomer(fixture);
    const [foreign, unknown] = [await other.get(`/urls/${key}`), await other.get('/urls/unknown1')];
    expect([foreign.status, unknown.status]).to.deep.equal([404, 404]);
    expect(foreign.text).to.equal(unknown.text);
    // A browser may send what is about the page, not about the answer of the API.
    const known = { cookie, accept: 'text/html', 'if-none-match': '*' };
    expect((await send('GET', `${fixture.mapper.url}/urls/${key}`, { headers: known })).status).to.equal(200);
    const nobody = await new Browser(() => fixture.mapper.url, '').get(`/urls/${key}?period=7d`);
    expectSeeOther(nobody, /^\/login\?next=%2Furls%2F/);
    const json = await fixture.api.call('GET', `/urls/${key}`, { cookie });
    expect(json.headers['content-type']).to.match(/^application\/json/);
    for (const path of ['/admin', '/admin/links', `/admin/links/${key}`, '/admin/users', '/admin/domains'])
      expect((await browser.get(path)).status, path).to.equal(403);
  });

  it('takes forms of its own pages only', async () => {
    const key = await fixture.makeLink(cookie);
    const path = `/urls/${key}`;
    const form = fieldsOf(await browser.get(path), path);
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      for (const to of [path, `${path}/delete`, `${path}/restore`, '/urls/bulk', '/urls/-/new'])
        expect((await browser.post(to, { ...form, title: 'Evil' }, headers)).status, to).to.equal(403);
    expect((await browser.post(path, form, { accept: 'application/json' })).status).to.equal(405);
    expect(await linkOf(key)).to.include({ title: null, version: 1 });
    const page = await browser.get(path);
    expect(page.headers['content-security-policy']).to.include("frame-ancestors 'none'");
    expect(page.headers['cache-control']).to.equal('no-store');
  });
});
