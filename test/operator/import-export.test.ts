import { hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import type { WholeLink } from '../../mapper/shorten/whole-link.ts';
import { People } from '../mapper/api/people.ts';
import { IS_LONG } from '../long.ts';
import { send } from '../mapper/client.ts';
import type { TestMapper } from '../mapper/world.ts';
import { createImportWorld, manyLinks, type ImportWorld } from './import-world.ts';

/** A link with every rule that a file can contain, and one without any. */
const RULED = [
  {
    long_url: 'https://e.example/ruled',
    custom_alias: 'ruled-1',
    title: '=Ruled, "so"',
    tags: ['a|b', 'c,d', 'Köln'],
    redirect_type: 308,
    forward_query: true,
    noindex: true,
    expiration_date: '2031-01-01T00:00:00.000Z',
    valid_from: '2020-01-01T00:00:00.000Z',
    expired_url: 'https://e.example/over',
    max_visits: 9,
    targets: [
      { when: { device: ['ios'], country: ['DE', 'AT'] }, long_url: 'https://e.example/ios' },
      { when: { language: ['pt-BR'] }, long_url: 'https://e.example/pt' },
    ],
  },
  { long_url: 'https://e.example/plain' },
];

/** Every second one has a code in the file, the others get a key. */
const LINKS = IS_LONG ? 1_000_000 : 1_500;
const KEYS_AT_ONCE = 50_000;

/** A service with people, that exports and imports. */
interface Side {
  readonly world: ImportWorld;
  readonly mapper: TestMapper;
  readonly cookie: string;
  readonly email: string;
}

describe('an export that is imported into another service', () => {
  const close = new AsyncDisposableStack();
  let from: Side;
  before(async function () {
    if (IS_LONG) this.timeout(3_600_000);
    from = await open();
    const { world, mapper, cookie, email } = from;
    for (let keys = 0; keys < LINKS / 2; keys += 2 * KEYS_AT_ONCE)
      for (const shard of [0, 1]) await world.world.fill(shard, Math.min(KEYS_AT_ONCE, LINKS));
    const file = await world.write('many.csv', manyLinks(LINKS, { badEvery: Number.POSITIVE_INFINITY }));
    expect(await world.importApart([file, '--owner', email])).to.equal(0);
    for (const body of RULED) {
      const headers = { cookie, host: 'localhost', 'content-type': 'application/json' };
      const answer = await send('POST', `${mapper.url}/urls`, { headers, body: JSON.stringify(body) });
      expect(answer.status, answer.text).to.equal(201);
    }
    expect((await send('GET', `${mapper.url}/ruled-1`, { headers: { host: 'localhost' } })).status).to.equal(
      308,
    );
  });
  after(async () => close.disposeAsync());

  async function open(): Promise<Side> {
    const world = close.use(await createImportWorld());
    const mapper = await world.world.start();
    const people = close.use(new People(world.world.usersUrl));
    const person = await people.person();
    return {
      world,
      mapper,
      cookie: await people.session(person, { endsInMs: 4 * 3_600_000 }),
      email: person.email,
    };
  }

  /** @returns the path of the file */
  async function exportTo({ world, mapper, cookie }: Side, format: string): Promise<string> {
    const path = await world.write(`links.${format}`, '');
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const headers = { cookie, host: 'localhost' };
    get(`${mapper.url}/urls/export?format=${format}`, { headers }, resolve).on('error', reject);
    await pipeline(await promise, createWriteStream(path));
    return path;
  }

  /** All that a file can bring along, by key. Of a million links, hashes of it. */
  async function linksOf(side: Side): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for await (const line of createInterface(createReadStream(await exportTo(side, 'ndjson')))) {
      const { short_url: _, updated_at: __, version: ___, ...link } = JSON.parse(line) as WholeLink;
      const text = JSON.stringify(link);
      found.set(link.unique_id, IS_LONG ? hash('sha256', text, 'base64') : text);
    }
    return found;
  }

  for (const format of ['ndjson', 'csv'])
    it(`${format}: gives the same links there, one by one`, async function () {
      if (IS_LONG) this.timeout(3_600_000);
      const to = await open();
      const file = await exportTo(from, format);
      expect(await to.world.importApart([file, '--owner', to.email])).to.equal(0);
      const [before, after] = [await linksOf(from), await linksOf(to)];
      expect(before.size).to.equal(LINKS + RULED.length);
      expect(after.size).to.equal(before.size);
      for (const [key, link] of before)
        if (after.get(key) !== link) expect(after.get(key), key).to.equal(link);
    });

  it('an overwritten link is followed to its new target at once', async () => {
    const { world, mapper, email } = from;
    const follow = async (): Promise<string | undefined> =>
      (await send('GET', `${mapper.url}/code-0`, { headers: { host: 'localhost' } })).headers.location;
    expect(await follow()).to.equal('https://e.example/page/0');
    const file = await world.write('over.csv', 'url,code\nhttps://e.example/moved,code-0\n');
    await world.import(file, '--owner', email, '--on-conflict', 'overwrite');
    expect(await follow()).to.equal('https://e.example/moved');
  });
});
