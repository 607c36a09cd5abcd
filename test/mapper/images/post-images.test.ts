import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { ApiClient, problemKind } from '../api/api-client.ts';
import { NO_LIMITS, type TestMapper } from '../world.ts';
import { pngWithText, randomPng } from './pictures.ts';
import { Form, useImages } from './use-images.ts';

describe('POST /images', () => {
  const images = useImages();
  const { api, post } = images;

  async function session(): Promise<string> {
    return images.people.session(await images.people.person());
  }

  /** Works with a mapper of other settings, over the same stores. */
  async function withMapper<T>(
    overrides: Parameters<typeof images.world.start>[0],
    work: (client: ApiClient, mapper: TestMapper) => Promise<T>,
  ): Promise<T> {
    const other = await images.world.start({ ...images.settings, ...overrides });
    try {
      return await work(new ApiClient(() => other.url, api.document), other);
    } finally {
      await other.stop();
    }
  }

  it('answers 201 with the link of the picture, which is served with the same bytes', async () => {
    const cookie = await session();
    const bytes = randomPng({ width: 12, height: 7 });
    const answer = await post({ bytes, cookie });
    expect(answer.status, answer.text).to.equal(201);
    const made = answer.json();
    const key = String(made['unique_id']);
    expect(made).to.deep.equal({
      unique_id: key,
      image_url: `${images.mapper.url}/images/${key}`,
      short_url: `${images.mapper.url}/${key}`,
      delete_token: made['delete_token'],
      type: 'image/png',
      width: 12,
      height: 7,
      bytes: bytes.length,
      created_at: made['created_at'],
      expiration_date: null,
    });
    expect(answer.headers.location).to.equal(made['image_url']);
    expect(Buffer.from(String(made['delete_token']), 'base64url')).to.have.length(32);
    const shown = await fetch(String(made['image_url']));
    expect(shown.headers.get('content-type')).to.equal('image/png');
    expect(Buffer.from(await shown.arrayBuffer()).equals(bytes)).to.equal(true);
    expect(await images.blobs()).to.include(createHash('sha256').update(bytes).digest('hex'));
    await images.untilNothingSpooled();
  });

  it('takes the type from the content, whatever is said about it', async () => {
    const cookie = await session();
    for (const type of ['image/jpeg', 'application/octet-stream', 'IMAGE/GIF; name=x'])
      expect((await post({ bytes: randomPng(), cookie, type })).json()).to.include({ type: 'image/png' });
  });

  it('takes a form, with its fields before and behind the picture, whatever its file is called', async () => {
    const cookie = await session();
    const bytes = randomPng();
    const form = new Form()
      .field('title', 'A näme')
      .field('tags', 'one, two')
      .file('image', bytes, { filename: '../../etc/passwd', type: 'text/html' })
      .field('tags', 'three')
      .field('expiration_date', '2099-01-01T00:00:00Z')
      .field('find_if_exists', '');
    const answer = await post({ bytes: form.bytes(), type: form.type, cookie });
    expect(answer.status, answer.text).to.equal(201);
    expect(answer.json()).to.include({ expiration_date: '2099-01-01T00:00:00.000Z', bytes: bytes.length });
    const link = (await api.call('GET', `/urls/${String(answer.json()['unique_id'])}`, { cookie })).json();
    expect(link).to.include({ title: 'A näme', long_url: answer.json()['image_url'] });
    expect(link['tags']).to.have.members(['one', 'two', 'three']);
    await images.untilNothingSpooled();
  });

  it('leaves metadata out of what is stored and served', async () => {
    const cookie = await session();
    const answer = await post({ bytes: pngWithText('secret place'), cookie });
    const served = await fetch(String(answer.json()['image_url']));
    const bytes = Buffer.from(await served.arrayBuffer());
    expect(bytes.includes('secret place')).to.equal(false);
    expect(answer.json()['bytes']).to.equal(bytes.length);
    const [path] = (await images.blobs()).filter(
      (name) => name === createHash('sha256').update(bytes).digest('hex'),
    );
    expect(path).to.be.a('string');
  });

  it('wants a key or session, unless everybody may post', async () => {
    const refused = await post({ bytes: randomPng() });
    expect([refused.status, problemKind(refused)]).to.deep.equal([401, 'unauthenticated']);
    await withMapper(
      { images: { areAnonymousAllowed: true, maxAgeS: 300, cacheBytes: 2 ** 20, frontCaches: [] } },
      async (client) => {
        const made = await post({ bytes: randomPng() }, client);
        expect(made.status, made.text).to.equal(201);
        const named = await post({ bytes: randomPng(), query: { title: 'x', tags: 'a' } }, client);
        expect(named.json()['errors']).to.deep.equal(
          ['title', 'tags'].map((field) => ({
            field,
            reason: 'is only for images with an owner: send an API key',
          })),
        );
      },
    );
  });

  it('wants the scope of new links', async () => {
    const person = await images.people.person();
    const { key } = await images.people.key(person, ['links:create']);
    expect((await post({ bytes: randomPng(), key })).status).to.equal(201);
    const { key: other } = await images.people.key(person, ['links:read']);
    const refused = await post({ bytes: randomPng(), key: other });
    expect([refused.status, problemKind(refused)]).to.deep.equal([403, 'missing-scope']);
  });

  it('counts for the limit of a key', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, key: 2 };
    await withMapper({ limits: { ...NO_LIMITS, perMinute, loopback: true } }, async (client) => {
      const { key } = await images.people.key(await images.people.person(), ['links:write']);
      const statuses = [];
      for (let count = 0; count < 3; count += 1)
        statuses.push((await post({ bytes: randomPng(), key }, client)).status);
      expect(statuses).to.deep.equal([201, 201, 429]);
    });
  });

  it('answers 404 where there are no images', async () => {
    await withMapper({ blobs: undefined }, async (client) => {
      const cookie = await session();
      const answer = await post({ bytes: randomPng(), cookie }, client);
      expect([answer.status, problemKind(answer)]).to.deep.equal([404, 'no-images']);
      const deleted = await client.call('DELETE', '/images/abcdefgh', { cookie });
      expect([deleted.status, problemKind(deleted)]).to.deep.equal([404, 'no-images']);
    });
  });

  it('keeps the file of a picture in the directory of its blobs', async () => {
    const cookie = await session();
    const bytes = randomPng();
    const { key } = await images.makeImage(cookie, bytes);
    const stored = await findBlob(images.folder, key, createHash('sha256').update(bytes).digest('hex'));
    expect(stored?.equals(bytes)).to.equal(true);
  });
});

/** The bytes of a blob, wherever the store has put it. */
async function findBlob(folder: string, key: string, sha256: string): Promise<Buffer | undefined> {
  for (const path of [`images/${key}/${sha256}`, `images/${key.slice(0, 2)}+/${key}/${sha256}`]) {
    const bytes = await readFile(`${folder}/${path}`).catch(() => undefined);
    if (bytes !== undefined) return bytes;
  }
  return undefined;
}
