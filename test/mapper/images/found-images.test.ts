import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Answer } from '../client.ts';
import { ApiClient } from '../api/api-client.ts';
import type { TestMapper } from '../world.ts';
import { randomPng, withText } from './pictures.ts';
import { useImages } from './use-images.ts';

const FIND = { find_if_exists: 'true' };

describe('POST /images with find_if_exists', () => {
  const images = useImages({
    overrides: {
      images: { areAnonymousAllowed: true, maxAgeS: 300, cacheBytes: 2 ** 20, frontCaches: [] },
    },
  });
  const { api, post } = images;
  let other: TestMapper;

  before(async () => {
    other = await images.world.start(images.settings);
  });

  async function session(): Promise<string> {
    return images.people.session(await images.people.person());
  }

  /** Posts until there is room: a mapper takes 16 uploads at a time. */
  async function postPatiently(bytes: Buffer, cookie: string | undefined, client = api): Promise<Answer> {
    for (;;) {
      const answer = await post({ bytes, query: FIND, ...(cookie !== undefined && { cookie }) }, client);
      if (answer.status !== 503) return answer;
    }
  }

  it('answers 200 with the image of the same bytes and owner, without its token', async () => {
    const cookie = await session();
    const bytes = randomPng();
    const first = await post({ bytes, cookie, query: { title: 'first' } });
    const again = await post({ bytes, cookie, query: { ...FIND, title: 'again' } });
    expect(again.status, again.text).to.equal(200);
    const { delete_token: token, ...others } = first.json();
    expect(token).to.be.a('string');
    expect(again.json()).to.deep.equal(others);
    expect(again.headers.location).to.equal(first.json()['image_url']);
    expect(await images.blobs()).to.have.length(1);
  });

  it('compares what is stored: metadata do not count', async () => {
    const cookie = await session();
    const picture = randomPng();
    const first = await post({ bytes: withText(picture, 'here'), cookie });
    const again = await post({ bytes: withText(picture, 'there'), cookie, query: FIND });
    expect([again.status, again.json()['unique_id']]).to.deep.equal([200, first.json()['unique_id']]);
  });

  it('finds no image of another, and none that lives for another time', async () => {
    const bytes = randomPng();
    const cookie = await session();
    await post({ bytes, cookie });
    expect((await post({ bytes, cookie: await session(), query: FIND })).status).to.equal(201);
    expect((await post({ bytes, query: FIND })).status).to.equal(201);
    const until2099 = { ...FIND, expiration_date: '2099-01-01T00:00:00Z' };
    expect((await post({ bytes, cookie, query: until2099 })).status).to.equal(201);
    expect((await post({ bytes, cookie, query: until2099 })).status).to.equal(200);
  });

  it('finds none that is deleted, disabled or not valid yet', async () => {
    const cookie = await session();
    const bytes = randomPng();
    const seen = new Set<unknown>();
    const next = async (): Promise<string> => {
      const answer = await post({ bytes, cookie, query: FIND });
      expect(answer.status, answer.text).to.equal(201);
      seen.add(answer.json()['unique_id']);
      return String(answer.json()['unique_id']);
    };
    await api.call('DELETE', `/urls/${await next()}`, { cookie });
    await api.call('PATCH', `/urls/${await next()}`, { cookie, body: { disabled: true } });
    await api.call('PATCH', `/urls/${await next()}`, {
      cookie,
      body: { valid_from: '2099-01-01T00:00:00Z' },
    });
    await api.call('DELETE', `/images/${await next()}`, { cookie });
    await next();
    expect(seen.size).to.equal(5);
  });

  for (const isAnonymous of [false, true])
    it(`makes one image of 100 that come at once (${isAnonymous ? 'anonymous' : 'own'})`, async function () {
      this.timeout(60_000);
      const cookie = isAnonymous ? undefined : await session();
      const bytes = randomPng();
      // A test before has deleted images, and their bytes go a moment later.
      const hash = createHash('sha256').update(bytes).digest('hex');
      const stored = async (): Promise<number> =>
        (await images.blobs()).filter((name) => name === hash).length;
      const client = new ApiClient(() => other.url, api.document);
      const answers = await Promise.all(
        Array.from({ length: 100 }, async (_, index) =>
          postPatiently(bytes, cookie, index % 2 === 0 ? api : client),
        ),
      );
      expect(new Set(answers.map((answer) => answer.json()['unique_id'])).size).to.equal(1);
      const made = answers.filter(({ status }) => status === 201);
      expect(made).to.have.length(1);
      expect(answers.filter(({ status }) => status === 200)).to.have.length(99);
      expect(await stored()).to.equal(1);
      const [{ unique_id: key, delete_token: token } = {}] = made.map((answer) => answer.json());
      const deleted = await api.call('DELETE', `/images/${String(key)}`, {
        headers: { 'x-delete-token': String(token) },
      });
      expect(deleted.status).to.equal(204);
    });
});
