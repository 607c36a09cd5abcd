import { expect } from 'chai';
import type { RowDataPacket } from 'mysql2/promise';
import type { OwnLink } from '../../../db/own-links/own-link.ts';
import { OutcomeUnknownError } from '../../../db/store-errors.ts';
import { deleteImage } from '../../../mapper/images/delete-image.ts';
import { createDeleteToken } from '../../../mapper/images/delete-token.ts';
import { until } from '../../until.ts';
import { ApiClient, problemKind } from '../api/api-client.ts';
import { send } from '../client.ts';
import type { TestMapper } from '../world.ts';
import { NO_LIMITS } from '../world.ts';
import { randomPng } from './pictures.ts';
import { useImages } from './use-images.ts';

describe('DELETE /images/{key}', () => {
  const images = useImages();
  const { api, makeImage } = images;
  let other: TestMapper;

  before(async () => {
    other = await images.world.start(images.settings);
  });

  async function session(options = {}): Promise<string> {
    return images.people.session(await images.people.person(options));
  }

  async function statusOf(mapper: TestMapper, path: string): Promise<number> {
    return (await send('GET', mapper.url + path)).status;
  }

  async function rowOf(key: string): Promise<RowDataPacket | undefined> {
    for (const { sql } of images.world.urls) {
      const [rows] = await sql.query<RowDataPacket[]>('SELECT * FROM urls WHERE unique_id = ?', [key]);
      if (rows[0] !== undefined) return rows[0];
    }
    return undefined;
  }

  it('deletes for its owner, for good, and every mapper answers 410 at once', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    for (const mapper of [images.mapper, other]) {
      expect(await statusOf(mapper, `/images/${key}`)).to.equal(200);
      expect(await statusOf(mapper, `/${key}`)).to.equal(200);
    }
    const answer = await api.call('DELETE', `/images/${key}`, { cookie });
    const seen = await Promise.all(
      [images.mapper, other].flatMap((mapper) => [
        statusOf(mapper, `/images/${key}`),
        statusOf(mapper, `/${key}`),
      ]),
    );
    expect([answer.status, answer.headers['x-others-may-lag']]).to.deep.equal([204, undefined]);
    expect(seen).to.deep.equal([410, 410, 410, 410]);
    await until('its bytes are gone', async () => (await images.blobs()).length === 0);
    const restored = await api.call('POST', `/urls/${key}/restore`, { cookie });
    expect(restored.status).to.equal(404);
    for (const state of ['all', 'deleted'])
      expect((await api.call('GET', `/urls?state=${state}`, { cookie })).json()['items']).to.deep.equal([]);
    expect((await api.call('GET', '/users/me/tags', { cookie })).json()['items']).to.deep.equal([]);
    expect((await api.call('DELETE', `/images/${key}`, { cookie })).status).to.equal(404);
    expect(await rowOf(key)).to.include({ original_url: null, ruled_url: null, rules: null, title: null });
  });

  it('deletes for whoever has its token, without a credential', async () => {
    const { key, token } = await makeImage(await session());
    const answer = await api.call('DELETE', `/images/${key}`, { headers: { 'x-delete-token': token } });
    expect(answer.status).to.equal(204);
    expect(await statusOf(other, `/images/${key}`)).to.equal(410);
  });

  it('stores no token', async () => {
    const { key, token } = await makeImage(await session());
    expect(JSON.stringify(await rowOf(key))).to.not.include(token);
  });

  it('tells strangers nothing: a wrong token, another user and an unknown key get the same answer', async () => {
    const { key } = await makeImage(await session());
    const stranger = await session();
    const texts = new Set<string>();
    const wrong = { 'x-delete-token': 'A'.repeat(43) };
    for (const [path, options] of [
      [key, { headers: wrong }],
      [key, { headers: { 'x-delete-token': '' } }],
      [key, { cookie: stranger }],
      [key, { cookie: stranger, headers: wrong }],
      [`${key}.jpg`, { cookie: stranger }],
      ['abcdefgh', { headers: wrong }],
      ['abcdefgh', { cookie: stranger }],
      ['%20', { cookie: stranger }],
    ] as const) {
      const answer = await api.call('DELETE', `/images/${path}`, options);
      expect(answer.status, path).to.equal(404);
      texts.add(answer.text);
    }
    expect(texts.size).to.equal(1);
    expect(await statusOf(images.mapper, `/images/${key}`)).to.equal(200);
    const nobody = await api.call('DELETE', `/images/${key}`, {});
    expect([nobody.status, problemKind(nobody)]).to.deep.equal([401, 'unauthenticated']);
  });

  it('takes the extension of its type, and no other', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    expect((await api.call('DELETE', `/images/${key}.jpg`, { cookie })).status).to.equal(404);
    expect((await api.call('DELETE', `/images/${key}.png`, { cookie })).status).to.equal(204);
  });

  it('is no way to delete a link that is no image', async () => {
    const cookie = await session();
    const made = await api.call('POST', '/urls', { cookie, body: { long_url: 'https://example.com/' } });
    const path = `/images/${String(made.json()['unique_id'])}`;
    expect((await api.call('DELETE', path, { cookie })).status).to.equal(404);
    expect((await api.call('DELETE', path, { headers: { 'x-delete-token': 'x' } })).status).to.equal(404);
  });

  it('wants the scope of changes, and lets administrators delete every image', async () => {
    const owner = await images.people.person();
    const { key } = await makeImage(await images.people.session(owner));
    const { key: weak } = await images.people.key(owner, ['links:create']);
    expect((await api.call('DELETE', `/images/${key}`, { key: weak })).status).to.equal(403);
    const admin = await session({ isAdmin: true });
    expect((await api.call('DELETE', `/images/${key}`, { cookie: admin })).status).to.equal(204);
  });

  it('of a deleted link makes the deletion final', async () => {
    const cookie = await session();
    const { key } = await makeImage(cookie);
    expect((await api.call('DELETE', `/urls/${key}`, { cookie })).status).to.equal(204);
    expect((await api.call('GET', '/urls?state=deleted', { cookie })).json()['items']).to.have.length(1);
    expect((await api.call('DELETE', `/images/${key}`, { cookie })).status).to.equal(204);
    expect((await api.call('GET', '/urls?state=deleted', { cookie })).json()['items']).to.deep.equal([]);
    expect((await api.call('POST', `/urls/${key}/restore`, { cookie })).status).to.equal(404);
  });

  it('of its link alone can be restored, with its bytes', async () => {
    const cookie = await session();
    const bytes = randomPng();
    const { key } = await makeImage(cookie, bytes);
    await api.call('DELETE', `/urls/${key}`, { cookie });
    expect(await statusOf(other, `/images/${key}`)).to.equal(410);
    await api.call('POST', `/urls/${key}/restore`, { cookie });
    const shown = await fetch(`${other.url}/images/${key}`);
    expect(Buffer.from(await shown.arrayBuffer()).equals(bytes)).to.equal(true);
  });

  it('happens once when many ask for it', async () => {
    const cookie = await session();
    const { key, token } = await makeImage(cookie);
    const client = new ApiClient(() => other.url, api.document);
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        (index % 2 === 0 ? api : client).call(
          'DELETE',
          `/images/${key}`,
          index % 3 === 0 ? { cookie } : { headers: { 'x-delete-token': token } },
        ),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 204)).to.have.length.at.least(1);
    expect(statuses.every((status) => status === 204 || status === 404)).to.equal(true);
    expect(await statusOf(images.mapper, `/images/${key}`)).to.equal(410);
    expect((await rowOf(key))?.['version']).to.equal(2);
  });

  it('lets nobody guess tokens for long', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, anonymous: 3 };
    const strict = await images.world.start({
      ...images.settings,
      limits: { ...NO_LIMITS, perMinute, loopback: true },
    });
    try {
      const { key } = await makeImage(await session());
      const client = new ApiClient(() => strict.url, api.document);
      const statuses = [];
      for (let guess = 0; guess < 5; guess += 1) {
        const headers = { 'x-delete-token': `guess-${guess}` };
        statuses.push((await client.call('DELETE', `/images/${key}`, { headers })).status);
      }
      expect(statuses).to.deep.equal([404, 404, 404, 429, 429]);
    } finally {
      await strict.stop();
    }
  });
});

describe('a deletion of an image without an outcome', () => {
  it('refreshes the caches in front, and leaves the bytes: it may be there yet', async () => {
    const done: string[] = [];
    const image = { type: 'png', deleteTokenHash: createDeleteToken().hash };
    const link = { userId: 1n, rules: { image } } as unknown as OwnLink;
    const deletion = deleteImage(
      'abcdefgh',
      { caller: { userId: 1n, isAdmin: false }, token: undefined },
      {
        own: {
          purge: async (_key, mayPurge) => {
            expect(mayPurge(link)).to.equal(true);
            throw new OutcomeUnknownError('urls-1', 'no answer');
          },
        },
        removals: { remove: (key) => done.push(`remove ${key}`) },
        frontCaches: { refresh: (key, type) => done.push(`refresh ${key} ${type}`) },
      },
    );
    const error = await deletion.catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(OutcomeUnknownError);
    expect(done).to.deep.equal(['refresh abcdefgh png']);
  });
});
