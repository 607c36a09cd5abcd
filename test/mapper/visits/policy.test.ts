import { expect } from 'chai';
import type { VisitsRow } from '../../../db/urls/visits.ts';
import { nextStep, share, type NextStep } from '../../../mapper/visits/policy.ts';

const STATE = 'aa'.repeat(16);
const row = (fields: Partial<VisitsRow> = {}): VisitsRow => ({
  visitsLeft: 5,
  state: STATE,
  isDeleted: false,
  ...fields,
});
const take = (count: number, mayBeLast: boolean): NextStep => ({ step: 'take', count, mayBeLast });
const end = (result: 'used-up' | 'changed'): NextStep => ({ step: 'end', result });

describe('what visitors do when the store has not given each of them a visit', () => {
  const TABLE: readonly (readonly [string, VisitsRow | undefined, number, NextStep])[] = [
    ['fewer are left: take these', row({ visitsLeft: 3 }), 10, take(3, true)],
    ['one is left for one, because another mapper lost: take it', row({ visitsLeft: 1 }), 1, take(1, true)],
    ['more are left than wait: no more than wait', row({ visitsLeft: 7 }), 2, take(2, false)],
    ['as many are left as wait: the last ones', row({ visitsLeft: 2 }), 2, take(2, true)],
    ['none is left', row({ visitsLeft: 0 }), 4, end('used-up')],
    ['nothing is stored about it', row({ visitsLeft: null }), 4, end('used-up')],
    ['it has changed', row({ state: 'bb'.repeat(16) }), 4, end('changed')],
    ['it has changed, and none is left', row({ state: 'bb'.repeat(16), visitsLeft: 0 }), 4, end('changed')],
    ['it was deleted', row({ isDeleted: true }), 4, end('changed')],
    ['it does not exist', undefined, 4, end('changed')],
  ];
  for (const [what, read, waiting, expected] of TABLE)
    it(what, () => expect(nextStep(read, { state: STATE, waiting })).to.deep.equal(expected));

  for (const [taken, waiting, expected] of [
    [3, 3, ['given', 'given', 'given']],
    [1, 3, ['given', 'used-up', 'used-up']],
  ] as const)
    it(`${taken} taken for ${waiting}: the first get them`, () =>
      expect(share(taken, waiting)).to.deep.equal(expected));
});
