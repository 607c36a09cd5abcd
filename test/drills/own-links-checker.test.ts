import { expect } from 'chai';
import { OwnLinksKeeper, type OwnLinksVerdict } from '../../drills/check/own-links.ts';
import type { ChangeEntry, FollowEntry, HistoryEntry, OwnReadEntry } from '../../drills/history/history.ts';

/** A key whose link is made with target 1 at 0 ms. Every change takes 10 ms, and every other request 1 ms. */
const KEY = 'Own12345';
const MADE = change('make', 0, 0, { target: 1 });

function change(
  kind: ChangeEntry['kind'],
  at: number,
  base: number,
  { target, isDeleted = kind === 'delete' || kind === 'prune', ...fields }: ChangeFields,
): ChangeEntry {
  const becomes = { target, isDeleted };
  return {
    op: 'change',
    kind,
    at,
    ms: 10,
    key: KEY,
    base,
    becomes,
    outcome: 'acked',
    via: 'mapper-1',
    ...fields,
  };
}

type ChangeFields = Partial<Omit<ChangeEntry, 'becomes'>> & { target: number; isDeleted?: boolean };

function follow(at: number, saw: FollowEntry['saw']): FollowEntry {
  return { op: 'follow', at, ms: 1, key: KEY, saw, via: 'mapper-2' };
}

function read(at: number, version: number, target: number, isDeleted = false): OwnReadEntry {
  return { op: 'own-read', at, ms: 1, key: KEY, version, state: { target, isDeleted }, via: 'mapper-2' };
}

function judge(...entries: HistoryEntry[]): OwnLinksVerdict {
  const keeper = new OwnLinksKeeper();
  for (const entry of entries) keeper.add(entry);
  return keeper.result();
}

type Finding = Partial<Pick<OwnLinksVerdict, 'oldStates' | 'wrongTargets' | 'lostUpdates' | 'givenAgain'>>;

const EDIT = change('edit', 100, 1, { target: 2 });
const LATER = change('edit', 200, 2, { target: 3 });
const UNKNOWN = change('edit', 100, 1, { target: 2, outcome: 'unknown' });
const DELETE = change('delete', 200, 2, { target: 2 });
const PRUNE = change('prune', 300, 3, { target: 2 });

const CORRECT: Readonly<Record<string, readonly HistoryEntry[]>> = {
  'each state in its time': [follow(50, 1), EDIT, follow(111, 2), LATER, follow(211, 3), read(212, 3, 3)],
  'either state while a change is under way': [EDIT, follow(105, 2), follow(106, 1)],
  'either state after a change without an answer': [UNKNOWN, follow(150, 2), follow(160, 1)],
  'an old state within the time that the answer gives': [
    { ...EDIT, lagMs: 500 },
    follow(150, 1),
    follow(650, 2),
  ],
  'a deleted link, restored, and deleted and pruned': [
    EDIT,
    DELETE,
    follow(250, 'deleted'),
    PRUNE,
    follow(350, 'deleted'),
  ],
  'a restored link with its old target': [
    EDIT,
    DELETE,
    change('restore', 300, 3, { target: 2 }),
    follow(350, 2),
    read(351, 4, 2),
  ],
  'redirects without an answer': [EDIT, follow(150, 'nothing')],
  'one winner of one version': [
    EDIT,
    change('edit', 100, 1, { target: 9, outcome: 'refused' }),
    follow(150, 2),
  ],
  'an alias that is refused, because the key has a link': [
    EDIT,
    change('make', 150, 0, { target: 9, outcome: 'refused' }),
  ],
};

const PLANTED: readonly (readonly [name: string, found: Finding, entries: readonly HistoryEntry[]])[] = [
  ['an old state after an acknowledged edit', { oldStates: 1 }, [EDIT, follow(111, 1)]],
  [
    'an old state after the time that the answer gave',
    { oldStates: 1 },
    [{ ...EDIT, lagMs: 50 }, follow(161, 1)],
  ],
  ['the state of a deleted link', { oldStates: 1 }, [EDIT, DELETE, follow(211, 2)]],
  [
    'a deleted link after its restoration',
    { oldStates: 1 },
    [EDIT, DELETE, change('restore', 300, 3, { target: 2 }), follow(311, 'deleted')],
  ],
  ['the target of a pruned link', { oldStates: 1 }, [EDIT, DELETE, PRUNE, follow(350, 2)]],
  [
    'a change without an answer that is undone after a later one',
    { oldStates: 1 },
    [UNKNOWN, LATER, follow(150, 2), follow(211, 2)],
  ],
  [
    'the state before a change without an answer, after a later one',
    { oldStates: 1 },
    [UNKNOWN, LATER, follow(211, 1)],
  ],
  ['a target that was never asked for', { wrongTargets: 1 }, [EDIT, follow(150, 7)]],
  ['a target before it was asked for', { wrongTargets: 1 }, [EDIT, follow(50, 2)]],
  ['a deletion that nobody asked for', { wrongTargets: 1 }, [EDIT, follow(150, 'deleted')]],
  ['an unknown key', { wrongTargets: 1 }, [EDIT, follow(150, '404')]],
  [
    'the target of a refused change',
    { wrongTargets: 1 },
    [EDIT, change('edit', 100, 1, { target: 9, outcome: 'refused' }), follow(150, 9)],
  ],
  [
    'a change without an answer that lost against an acknowledged one',
    { wrongTargets: 1 },
    [EDIT, change('edit', 100, 1, { target: 9, outcome: 'unknown' }), follow(150, 9)],
  ],
  [
    'a change without an answer, although a read showed that another one happened',
    { wrongTargets: 1 },
    [UNKNOWN, change('edit', 100, 1, { target: 9, outcome: 'unknown' }), read(150, 2, 2), follow(160, 9)],
  ],
  [
    'two acknowledged changes of one version',
    { lostUpdates: 1 },
    [EDIT, change('edit', 100, 1, { target: 9 })],
  ],
  ['an older version, read after an acknowledged change', { lostUpdates: 1 }, [EDIT, read(111, 1, 1)]],
  ['a version with the target of another change', { lostUpdates: 1 }, [EDIT, LATER, read(211, 3, 2)]],
  ['a version that no change made', { lostUpdates: 2 }, [EDIT, read(150, 3, 2)]],
  [
    'a change of a version that no change made',
    { lostUpdates: 1 },
    [EDIT, change('edit', 200, 3, { target: 4 })],
  ],
  [
    'a restoration after the link was pruned',
    { lostUpdates: 1 },
    [EDIT, DELETE, PRUNE, change('restore', 400, 3, { target: 2 })],
  ],
  ['a key that another own link gets', { givenAgain: 1 }, [EDIT, change('make', 500, 0, { target: 9 })]],
  [
    'a key that a link without an owner gets',
    { givenAgain: 1 },
    [EDIT, { op: 'shorten', at: 500, ms: 2, n: 1, outcome: 'acked', key: KEY }],
  ],
];

describe('the checker over a history of changed links', () => {
  for (const [name, entries] of Object.entries(CORRECT))
    it(`allows ${name}`, () => {
      expect(judge(MADE, ...entries).violations).to.deep.equal([]);
      expect(judge(MADE, ...entries.toReversed()).violations, 'in another order').to.deep.equal([]);
    });

  for (const [name, found, entries] of PLANTED)
    it(`finds ${name}`, () => {
      const none = { oldStates: 0, wrongTargets: 0, lostUpdates: 0, givenAgain: 0 };
      const { violations, ...counts } = judge(MADE, ...entries);
      expect(counts).to.include({ ...none, ...found });
      expect(violations).to.not.be.empty;
    });

  it('counts what clients saw', () => {
    const refused = change('edit', 150, 1, { target: 9, outcome: 'refused' });
    const unheard = { ...LATER, lagMs: 60_000 };
    const open = change('edit', 300, 3, { target: 5, outcome: 'unknown' });
    expect(judge(MADE, EDIT, refused, unheard, open, follow(220, 'nothing'), follow(221, 3))).to.include({
      links: 1,
      changes: 5,
      acked: 3,
      refused: 1,
      unknown: 1,
      unheard: 1,
      follows: 2,
      followsFailed: 1,
    });
  });
});
