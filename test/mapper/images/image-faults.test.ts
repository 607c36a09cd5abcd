import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { until } from '../../until.ts';
import { problemKind } from '../api/api-client.ts';
import { randomPng } from './pictures.ts';
import { useImages } from './use-images.ts';

describe('POST /images while something is away', () => {
  const images = useImages();
  const { post, api } = images;

  async function session(): Promise<string> {
    return images.people.session(await images.people.person());
  }

  it('is 503 while the disk of the blobs is not mounted, and goes on after it, without a restart', async () => {
    const cookie = await session();
    const away = `${images.folder}-away`;
    const before = await images.makeImage(cookie);
    await rename(images.folder, away);
    try {
      for (const query of [{}, { find_if_exists: 'true' }]) {
        const answer = await post({ bytes: randomPng(), cookie, query });
        expect([answer.status, problemKind(answer)], answer.text).to.deep.equal([503, 'store-down']);
      }
      const link = await api.call('POST', '/urls', { cookie, body: { long_url: 'https://example.com/' } });
      expect(link.status).to.equal(201);
    } finally {
      await rename(away, images.folder);
    }
    await until('pictures are taken again', async () => {
      const answer = await post({ bytes: randomPng(), cookie });
      return answer.status === 201;
    });
    const list = await api.call('GET', '/urls', { cookie });
    const shown = (list.json()['items'] as { image: object | null }[]).filter(({ image }) => image !== null);
    expect(shown).to.have.length(2);
    expect((await api.call('GET', `/urls/${before.key}`, { cookie })).status).to.equal(200);
  });

  it('is 503 where a part of the directory takes nothing, and leaves no link', async () => {
    const cookie = await session();
    await rename(join(images.folder, '.keymill-blobs'), join(images.folder, 'elsewhere'));
    try {
      expect((await post({ bytes: randomPng(), cookie })).status).to.equal(503);
    } finally {
      await rename(join(images.folder, 'elsewhere'), join(images.folder, '.keymill-blobs'));
    }
    expect((await api.call('GET', '/urls', { cookie })).json()['items']).to.deep.equal([]);
    await images.untilNothingSpooled();
  });

  it('is 503 while no urls server takes links, and takes them again', async () => {
    const cookie = await session();
    const first = await images.makeImage(cookie);
    for (const { sql } of images.world.urls) await sql.query('RENAME TABLE urls TO urls_away');
    try {
      const answer = await post({ bytes: randomPng(), cookie });
      expect(answer.status, answer.text).to.be.oneOf([500, 503]);
    } finally {
      for (const { sql } of images.world.urls) await sql.query('RENAME TABLE urls_away TO urls');
    }
    await until('links are taken again', async () => {
      const answer = await post({ bytes: randomPng(), cookie });
      return answer.status === 201;
    });
    expect((await api.call('DELETE', `/images/${first.key}`, { cookie })).status).to.equal(204);
    await images.untilNothingSpooled();
  });
});
