import { expect } from 'chai';
import type { WholeLink } from '../../mapper/shorten/whole-link.ts';
import { People } from '../mapper/api/people.ts';
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
  before(async () => {
    from = await open();
    const { world, mapper, cookie, email } = from;
    const file = await world.write('many.csv', manyLinks(1_500));
    await world.import(file, '--owner', email);
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
    const world = close.use(await createImportWorld({ keys: 3_000 }));
    const mapper = await world.world.start();
    const people = close.use(new People(world.world.usersUrl));
    const person = await people.person();
    return { world, mapper, cookie: await people.session(person), email: person.email };
  }

  async function exportOf({ mapper, cookie }: Side, format: string): Promise<string> {
    const headers = { cookie, host: 'localhost' };
    return (await send('GET', `${mapper.url}/urls/export?format=${format}`, { headers })).text;
  }

  /** All that a file can bring along, by key. */
  async function linksOf(side: Side): Promise<Map<string, object>> {
    const lines = (await exportOf(side, 'ndjson')).trimEnd().split('\n');
    return new Map(
      lines.map((line) => {
        const { short_url: _, updated_at: __, version: ___, ...link } = JSON.parse(line) as WholeLink;
        return [link.unique_id, link];
      }),
    );
  }

  for (const format of ['ndjson', 'csv'])
    it(`${format}: gives the same links there, one by one`, async () => {
      const to = await open();
      const file = await to.world.write(`links.${format}`, await exportOf(from, format));
      const { summary } = await to.world.import(file, '--owner', to.email);
      expect(summary.refused).to.deep.equal({});
      const [before, after] = [await linksOf(from), await linksOf(to)];
      expect(before.size).to.equal(1_485 + RULED.length);
      expect(after.size).to.equal(before.size);
      for (const [key, link] of before) expect(after.get(key), key).to.deep.equal(link);
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
