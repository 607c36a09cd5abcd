import { expect } from 'chai';
import { until } from '../../until.ts';
import { ApiClient } from '../api/api-client.ts';
import { send } from '../client.ts';
import { pngWithText, randomPng } from './pictures.ts';
import { useImages } from './use-images.ts';

describe('an image among links', () => {
  const images = useImages();
  const { api, post, makeImage } = images;

  async function session(options = {}): Promise<string> {
    return images.people.session(await images.people.person(options));
  }

  it('is shown with its own URL in the place of a target, wherever links are shown', async () => {
    const cookie = await session();
    const bytes = randomPng({ width: 5, height: 3 });
    const posted = await post({ bytes, cookie, query: { title: 'A cat', tags: 'cats' } });
    const key = String(posted.json()['unique_id']);
    const imageUrl = `${images.mapper.url}/images/${key}`;
    const image = {
      type: 'image/png',
      width: 5,
      height: 3,
      bytes: bytes.length,
      image_url: imageUrl,
    };
    const whole = (await api.call('GET', `/urls/${key}`, { cookie })).json();
    expect(whole).to.deep.include({ long_url: imageUrl, image, title: 'A cat', tags: ['cats'] });
    const listed = (await api.call('GET', '/urls?tag=cats', { cookie })).json()['items'];
    expect(listed).to.deep.equal([whole]);
    const admin = await session({ isAdmin: true });
    const all = (await api.call('GET', `/admin/links?unique_id=${key}`, { cookie: admin })).json()['items'];
    expect((all as object[])[0]).to.deep.include({ long_url: imageUrl, image });
    const ndjson = await api.call('GET', '/urls/export?format=ndjson', { cookie });
    expect(JSON.parse(ndjson.text)).to.deep.include({ long_url: imageUrl, image });
    const csv = await api.call('GET', '/urls/export?format=csv', { cookie });
    expect(csv.text.split('\r\n')[1]).to.include(imageUrl).and.to.include('image/png');
    const preview = await send('GET', `${images.mapper.url}/${key}+`);
    expect(preview.json()).to.include({ long_url: imageUrl });
    for (const answer of [whole, listed, all, ndjson.text, csv.text, preview.text])
      expect(JSON.stringify(answer)).to.not.include('image:');
  });

  it('is found by title and key, and not by the hash that stands for its target', async () => {
    const cookie = await session();
    const bytes = randomPng();
    const key = String(
      (await post({ bytes, cookie, query: { title: 'Wooden bridge' } })).json()['unique_id'],
    );
    const found = async (q: string): Promise<number> => {
      const answer = await api.call('GET', `/urls?q=${encodeURIComponent(q)}`, { cookie });
      return (answer.json()['items'] as unknown[]).length;
    };
    expect(await found('bridge')).to.equal(1);
    expect(await found(key)).to.equal(1);
    for (const q of ['image:', ...Array.from('0123456789abcdef')].filter(
      (text) => !'wooden bridge'.includes(text),
    ))
      if (!key.toLowerCase().includes(q)) expect(await found(q), q).to.equal(0);
    const admin = await session({ isAdmin: true });
    const byHost = await api.call('GET', '/admin/links?host=image', { cookie: admin });
    expect(byHost.json()['items']).to.deep.equal([]);
  });

  it('can be changed in what makes sense for it', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    const body = {
      title: 'New',
      tags: ['a'],
      expiration_date: '2099-01-01T00:00:00.000Z',
      valid_from: '2020-01-01T00:00:00.000Z',
      noindex: true,
      password: null,
      max_visits: null,
    };
    const changed = await api.call('PATCH', `/urls/${key}`, { cookie, body });
    expect(changed.status, changed.text).to.equal(200);
    const { password: _, ...shown } = body;
    expect(changed.json()).to.deep.include({ ...shown, has_password: false });
    const disabled = await api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: true } });
    expect(disabled.status).to.equal(200);
    expect((await send('GET', `${images.mapper.url}/images/${key}`)).status).to.equal(410);
    await api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: false } });
    expect((await send('GET', `${images.mapper.url}/images/${key}`)).status).to.equal(200);
  });

  it('refuses what only a link can have, and names it, alone and in a bulk', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    const wishes: Readonly<Record<string, unknown>> = {
      long_url: 'https://example.com/',
      redirect_type: 301,
      forward_query: true,
      max_visits: 3,
      password: 'a password',
      expired_url: 'https://example.com/over',
      targets: [{ when: { device: ['ios'] }, long_url: 'https://example.com/ios' }],
    };
    for (const [field, value] of Object.entries(wishes)) {
      const errors = [{ field, reason: 'is not for images' }];
      const answer = await api.call('PATCH', `/urls/${key}`, {
        cookie,
        body: { title: 'x', [field]: value },
      });
      expect(answer.status, field).to.equal(422);
      expect(answer.json()['errors']).to.deep.equal(errors);
      const bulk = await api.call('PATCH', '/urls/bulk', {
        cookie,
        body: { unique_ids: [key], set: { [field]: value } },
      });
      const [item] = bulk.json()['items'] as { status: number; problem: { errors: unknown } }[];
      expect(item?.status).to.equal(422);
      expect(item?.problem.errors).to.deep.equal(errors);
    }
    expect((await api.call('GET', `/urls/${key}`, { cookie })).json()).to.include({
      version: 1,
      title: null,
    });
  });

  it('expires like a link', async () => {
    const cookie = await session();
    const at = new Date(Date.now() + 1_500).toISOString();
    const posted = await post({ bytes: randomPng(), cookie, query: { expiration_date: at } });
    const url = String(posted.json()['image_url']);
    expect(posted.json()['expiration_date']).to.equal(at);
    expect((await send('GET', url)).status).to.equal(200);
    while (Date.now() <= Date.parse(at)) await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await send('GET', url)).status).to.equal(410);
    expect((await send('GET', String(posted.json()['short_url']))).status).to.equal(410);
  });

  it('is made and changed by no import, which says so', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    const sent = async (body: string, type: string, query: string): Promise<object[]> => {
      const headers = { 'content-type': type };
      const begun = await api.call('POST', `/import${query}`, { cookie, headers, body });
      const id = String(begun.json()['id']);
      await until('the import to end', async () => {
        const said = (await api.call('GET', `/import/${id}`, { cookie })).json();
        return said['state'] === 'done' ? said : undefined;
      });
      const report = await api.call('GET', `/import/${id}/report`, { cookie });
      return report.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object);
    };
    for (const format of ['ndjson', 'csv']) {
      const { text } = await api.call('GET', `/urls/export?format=${format}`, { cookie });
      const [first] = await sent(text, format === 'csv' ? 'text/csv' : 'application/x-ndjson', '');
      expect(first).to.include({ reason: 'image-link', field: 'image' });
    }
    const row = `long_url,unique_id\nhttps://example.com/,${key}\n`;
    const [first] = await sent(row, 'text/csv', '?on_conflict=overwrite');
    expect(first).to.include({ reason: 'image-link', field: 'code' });
    expect((await api.call('GET', `/urls/${key}`, { cookie })).json()).to.include({ version: 1 });
  });

  it('is no target of a link', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    for (const long_url of [`${images.mapper.url}/images/${key}`, `image:${'a'.repeat(64)}`])
      expect((await api.call('POST', '/urls', { cookie, body: { long_url } })).status).to.equal(422);
  });

  it('is deleted in a bulk, and blocked by an administrator', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    const admin = await session({ isAdmin: true });
    await api.call('PATCH', `/admin/links/${key}`, { cookie: admin, body: { blocked: true, reason: 'x' } });
    expect((await send('GET', `${images.mapper.url}/images/${key}`)).status).to.equal(410);
    await api.call('PATCH', `/admin/links/${key}`, { cookie: admin, body: { blocked: false } });
    const body = { unique_ids: [key] };
    const deleted = await api.call('POST', '/urls/bulk/delete', { cookie, body });
    expect((deleted.json()['items'] as { status: number }[])[0]?.status).to.equal(204);
    expect((await send('GET', `${images.mapper.url}/images/${key}`)).status).to.equal(410);
  });

  it('has clicks: one for each delivery of its picture', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie, pngWithText('x'));
    for (let count = 0; count < 3; count += 1) await send('GET', `${images.mapper.url}/images/${key}`);
    await send('HEAD', `${images.mapper.url}/images/${key}`);
    await send('GET', `${images.mapper.url}/${key}`);
    let clicks: unknown;
    const client = new ApiClient(() => images.mapper.url, api.document);
    for (let tries = 0; tries < 100 && clicks !== 3; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const link = (await client.call('GET', `/urls/${key}`, { cookie })).json();
      clicks = (link['clicks'] as { total: number }).total;
    }
    expect(clicks).to.equal(3);
  });
});
