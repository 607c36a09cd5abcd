import { expect } from 'chai';
import { compareListed, type ListPosition, type OwnLink } from '../../db/own-links/own-link.ts';
import { etagOf, isNamedBy } from '../../mapper/links/etag.ts';
import { judgeChange, type Actor, type LinkPatch } from '../../mapper/links/judge-change.ts';
import { mergeLists, type ServerList } from '../../mapper/links/merge-lists.ts';
import { mergeTags } from '../../mapper/links/tag-lists.ts';

const LINK: OwnLink = {
  key: 'abc12345',
  slot: 1,
  userId: 7n,
  longUrl: 'https://example.com/',
  createdAt: new Date(0),
  updatedAt: null,
  expiresAt: new Date(1_000),
  title: 'T',
  tags: ['a', 'b'],
  rules: {},
  visitsLeft: null,
  deletedAt: null,
  version: 3,
  changedBy: '0123456789abcdef0123456789abcdef',
};

describe('the judgement of a change', () => {
  const unchanged: [string, LinkPatch][] = [
    ['an empty patch', {}],
    ['the same target', { longUrl: LINK.longUrl }],
    ['the same time', { expiresAt: new Date(1_000) }],
    ['the same tags in another order, and twice', { tags: ['b', 'a', 'b'] }],
    ['a rule that is off already', { disabled: false }],
    ['the removal of a rule that is off already', { disabled: null, blocked: null }],
  ];
  for (const [what, patch] of unchanged)
    it(`${what} changes nothing`, () => {
      expect(judgeChange(LINK, patch, 'owner')).to.deep.equal({ verdict: 'unchanged' });
    });

  const edits: [string, LinkPatch, Partial<OwnLink>, Partial<OwnLink>?][] = [
    ['a target', { longUrl: 'https://b.example/' }, { longUrl: 'https://b.example/' }],
    ['no expiry any more', { expiresAt: null }, { expiresAt: null }],
    ['no title any more', { title: null }, { title: null }],
    ['other tags', { tags: ['c', 'a', 'c'] }, { tags: ['a', 'c'] }],
    ['no tags any more', { tags: null }, { tags: [] }],
    ['switched off', { disabled: true }, { rules: { disabled: true } }],
    ['switched on', { disabled: null }, { rules: {} }, { rules: { disabled: true } }],
    [
      'rules of a newer program stay',
      { disabled: true },
      { rules: { password: 'x', disabled: true } },
      { rules: { password: 'x' } },
    ],
  ];
  for (const [what, patch, expected, given = {}] of edits)
    it(`edits: ${what}`, () => {
      const { longUrl, expiresAt, title, tags, rules } = { ...LINK, ...given };
      expect(judgeChange({ ...LINK, ...given }, patch, 'owner')).to.deep.equal({
        verdict: 'edit',
        state: { longUrl, expiresAt, title, tags, rules, ...expected },
      });
    });

  const blocked = { rules: { blocked: 'spam' } };
  const refusals: [string, Partial<OwnLink>, LinkPatch, Actor, object][] = [
    ['a deleted link', { deletedAt: new Date() }, { title: 'U' }, 'owner', { verdict: 'deleted' }],
    [
      'a deleted link, also of an administrator',
      { deletedAt: new Date() },
      {},
      'admin',
      { verdict: 'deleted' },
    ],
    ['a blocked link', blocked, { title: 'U' }, 'owner', { verdict: 'blocked', reason: 'spam' }],
    [
      'tags of a link without an owner',
      { userId: null, tags: [] },
      { tags: ['a'] },
      'admin',
      { verdict: 'ownerless' },
    ],
  ];
  for (const [what, given, patch, actor, expected] of refusals)
    it(`refuses ${what}`, () => {
      expect(judgeChange({ ...LINK, ...given }, patch, actor)).to.deep.equal(expected);
    });

  it('lets an administrator block a deleted link, and change nothing else of it', () => {
    const deleted = { ...LINK, deletedAt: new Date() };
    const judged = judgeChange(deleted, { blocked: 'spam' }, 'admin');
    expect(judged).to.have.deep.nested.property('state.rules', { blocked: 'spam' });
    const more = judgeChange(deleted, { blocked: 'spam', title: 'U' }, 'admin');
    expect(more).to.deep.equal({ verdict: 'deleted' });
  });

  it('lets an administrator block a link, and change a blocked one', () => {
    const judged = judgeChange(LINK, { blocked: 'spam' }, 'admin');
    expect(judged).to.have.deep.nested.property('state.rules', { blocked: 'spam' });
    const freed = judgeChange({ ...LINK, ...blocked }, { blocked: null }, 'admin');
    expect(freed).to.have.deep.nested.property('state.rules', {});
  });
});

describe('the entity tag of a link', () => {
  const etag = etagOf(LINK);

  it('has the version and the last change', () => {
    expect(etag).to.equal('"3-01234567"');
  });

  const cases: [header: string, isStrong: boolean, isWeak: boolean][] = [
    ['"3-01234567"', true, true],
    ['W/"3-01234567"', false, true],
    ['*', true, true],
    [' * ', true, true],
    ['"2-01234567", "3-01234567"', true, true],
    ['"2-01234567",W/"3-01234567"', false, true],
    ['"3-76543210"', false, false],
    ['3-01234567', false, false],
    ['', false, false],
    ['"3-01234567', false, false],
  ];
  for (const [header, isStrong, isWeak] of cases)
    it(`is compared with ${header || 'nothing'}`, () => {
      expect(isNamedBy(header, etag, false)).to.equal(isStrong);
      expect(isNamedBy(header, etag, true)).to.equal(isWeak);
    });
});

describe('the merge of lists', () => {
  const at = (ms: number, key = 'k'): ListPosition => ({ createdAt: new Date(ms), key });
  const list = (places: ListPosition[], lookedTo?: ListPosition): ServerList => ({
    server: 'urls',
    slots: [],
    links: places.map(({ createdAt, key }) => ({ ...LINK, createdAt, key })),
    lookedTo,
  });

  const cases: [string, ServerList[], number, ListPosition[], ListPosition | undefined][] = [
    ['nothing anywhere', [list([]), list([])], 2, [], undefined],
    ['all of all servers', [list([at(5), at(1)]), list([at(3)])], 3, [at(5), at(3), at(1)], undefined],
    ['a full page', [list([at(5), at(1)]), list([at(3)])], 2, [at(5), at(3)], at(3)],
    [
      'a server that has not looked far',
      [list([at(9)], at(4)), list([at(5), at(3)])],
      9,
      [at(9), at(5)],
      at(4),
    ],
    ['two of them', [list([], at(4)), list([at(7)], at(6))], 9, [at(7)], at(6)],
    ['nothing yet', [list([], at(8)), list([at(7)], at(6))], 9, [], at(8)],
    [
      'one millisecond',
      [list([at(5, 'c'), at(5, 'a')]), list([at(5, 'd'), at(5, 'b')])],
      3,
      [at(5, 'd'), at(5, 'c'), at(5, 'b')],
      at(5, 'b'),
    ],
    [
      'a place within one millisecond',
      [list([at(5, 'c')], at(5, 'b')), list([at(5, 'd'), at(5, 'a')])],
      9,
      [at(5, 'd'), at(5, 'c')],
      at(5, 'b'),
    ],
  ];
  for (const [what, lists, limit, expected, next] of cases)
    it(`gives ${what}`, () => {
      const merged = mergeLists(lists, limit);
      expect(merged.links.map(({ createdAt, key }) => ({ createdAt, key }))).to.deep.equal(expected);
      const { createdAt, key } = merged.next ?? {};
      expect(merged.next === undefined ? undefined : { createdAt, key }).to.deep.equal(next);
    });

  it('orders capitals before small letters within one millisecond, as the servers do', () => {
    const keys = ['_', '-', 'a', 'A', '0'].map((key) => at(1, key)).sort(compareListed);
    expect(keys.map(({ key }) => key)).to.deep.equal(['a', '_', 'A', '0', '-']);
  });

  it('of tags adds the counts of all servers up, in the order of their bytes', () => {
    const pieces = [
      {
        tags: [
          { tag: 'a', links: 1 },
          { tag: '🎈', links: 1 },
        ],
      },
      {
        tags: [
          { tag: 'a', links: 2 },
          { tag: '\uFF5E', links: 1 },
        ],
      },
    ];
    expect(mergeTags(pieces, 2)).to.deep.equal({
      items: [
        { tag: 'a', links: 3 },
        { tag: '\uFF5E', links: 1 },
      ],
      next: '\uFF5E',
    });
  });
});
