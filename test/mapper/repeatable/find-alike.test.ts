import { expect } from 'chai';
import type { MadeLink } from '../../../db/own-links/find-alike.ts';
import { isAlikeBesideTags, type AskedLink } from '../../../mapper/links/find-alike.ts';
import { errorOf } from '../../db/outcome.ts';
import { createOwnLinksWorld, newOwner, ownedRow, type OwnLinksWorld } from '../own-links-fixture.ts';

const LONG_URL = 'https://example.com/alike';

function asked(fields: Partial<AskedLink> = {}): AskedLink {
  return {
    userId: 1n,
    longUrl: LONG_URL,
    expiresAt: null,
    title: null,
    tags: [],
    rules: {},
    alias: undefined,
    ...fields,
  };
}

describe('the look for a link that is alike', function () {
  this.timeout(60_000);
  let world: OwnLinksWorld;

  before(async () => {
    world = await createOwnLinksWorld();
  });

  after(async () => world[Symbol.asyncDispose]());

  it('finds the newest one, with its tags and the request that made it', async () => {
    const owner = newOwner();
    const row = (second: number, requestId: string): ReturnType<typeof ownedRow> =>
      ownedRow(owner, {
        longUrl: LONG_URL,
        tags: ['b', 'a'],
        requestId: requestId.repeat(32),
        createdAt: new Date(1_700_000_000_000 + second * 1_000),
      });
    const rows = [row(1, 'a'), row(3, 'c'), row(2, 'b')];
    await world.make(...rows, ownedRow(newOwner(), { longUrl: LONG_URL, tags: ['a', 'b'] }));
    const found = await world.links.findAlike(asked({ userId: owner.userId, tags: ['a', 'b'] }));
    expect(found).to.include({ key: rows[1]?.key, requestId: 'c'.repeat(32) });
    expect(found?.tags).to.deep.equal(['a', 'b']);
    expect(await world.links.findAlike(asked({ userId: owner.userId, tags: ['a'] }))).to.equal(undefined);
  });

  it('reads the newest 200 to the target on each server', async () => {
    const owner = newOwner();
    const old = ownedRow(owner, { longUrl: LONG_URL, createdAt: new Date(0) });
    await world.make(old);
    const question = asked({ userId: owner.userId });
    expect((await world.links.findAlike(question))?.key).to.equal(old.key);
    const more = Array.from({ length: 600 }, () => ownedRow(owner, { longUrl: LONG_URL, title: 'other' }));
    await world.make(...more);
    expect(await world.links.findAlike(question)).to.equal(undefined);
    expect(await world.links.findAlike({ ...question, title: 'other' })).to.have.property('title', 'other');
  });

  it('fails while any server is down, because that may have the link', async () => {
    const server = world.servers[1] as OwnLinksWorld['servers'][0];
    server.isUp = () => false;
    try {
      const error = await errorOf(world.links.findAlike(asked()));
      expect(error).to.have.property('message', 'urls-2 is unavailable: it is down');
    } finally {
      server.isUp = () => true;
    }
  });

  const made: MadeLink = {
    ...ownedRow(newOwner(), { longUrl: LONG_URL, key: 'abcd', rules: { noindex: true, maxVisits: 3 } }),
    updatedAt: null,
    visitsLeft: 2,
    deletedAt: null,
    version: 7,
    changedBy: '',
  };
  const rules = { maxVisits: 3, noindex: true } as const;
  const table: readonly (readonly [what: string, Partial<AskedLink>, isAlike: boolean])[] = [
    ['the same fields', {}, true],
    ['its own key as alias', { alias: 'abcd' }, true],
    ['another alias', { alias: 'abce' }, false],
    ['another target', { longUrl: `${LONG_URL}?` }, false],
    ['an expiry', { expiresAt: new Date() }, false],
    ['a title', { title: '' }, false],
    ['fewer rules', { rules: { noindex: true } }, false],
    ['more rules', { rules: { ...rules, forwardQuery: true } }, false],
  ];
  for (const [what, fields, isAlike] of table)
    it(`says that a link is ${isAlike ? '' : 'not '}alike for ${what}`, () => {
      expect(isAlikeBesideTags(made, asked({ rules, ...fields }))).to.equal(isAlike);
    });
});
