import { expect } from 'chai';
import * as fc from 'fast-check';
import { batchOf, type BatchRow } from '../../db/keys-db/batch.ts';
import {
  ImpossibleValueError,
  MAX_COUNT,
  parseCount,
  requirePlausible,
} from '../../runtime/stored-values.ts';

const SOURCE = { store: 'redis-1', what: 'epoch of producer:keys-db-1' };

describe('a value read from a store', () => {
  for (const [value, count] of [
    [null, 0],
    [undefined, 0],
    ['0', 0],
    ['41', 41],
    [41, 41],
    [MAX_COUNT, MAX_COUNT],
  ] as const) {
    it(`counts ${JSON.stringify(value) ?? 'undefined'} as ${count}`, () => {
      expect(parseCount(value, SOURCE)).to.equal(count);
    });
  }

  for (const value of [
    '',
    'abc',
    '-1',
    '1.5',
    '1e3',
    ' 1',
    '9007199254740992',
    MAX_COUNT + 1,
    -1,
    0.5,
    NaN,
    {},
    true,
  ]) {
    it(`refuses ${JSON.stringify(value)} as a count, naming store and value`, () => {
      expect(() => parseCount(value, SOURCE)).to.throw(
        ImpossibleValueError,
        /redis-1.*epoch of producer:keys-db-1/,
      );
    });
  }

  it('is a count or refused, whatever it is, and never quoted at length', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        try {
          const count = parseCount(value, SOURCE);
          return Number.isInteger(count) && count >= 0 && count <= MAX_COUNT;
        } catch (error) {
          return error instanceof ImpossibleValueError && error.message.length < 200;
        }
      }),
    );
  });

  it('is plausible up to 2^32 above ours', () => {
    requirePlausible(1, 50, SOURCE);
    requirePlausible(50 + 2 ** 32, 50, SOURCE);
    expect(() => requirePlausible(51 + 2 ** 32, 50, SOURCE)).to.throw(
      ImpossibleValueError,
      'more than 2^32 above',
    );
  });

  const row: BatchRow = {
    id: 7,
    kind: 'range',
    first_id: 1,
    last_id: 10,
    ids: null,
    epoch: 1,
    parts: '[{"pool":"redis-1","seq":3}]',
    delivered: '0',
  };
  it('of the log of claims is a batch', () => {
    expect(batchOf(row, 'keys-db-1')).to.deep.include({ id: 7, firstId: 1, lastId: 10, epoch: 1 });
  });
  for (const broken of [
    { parts: 'x' },
    { parts: '{}' },
    { parts: '[{"pool":"redis-1"}, 5]' },
    { parts: '[{"pool":"redis-1","seq":"x"}]' },
    { parts: '[{"pool":7,"seq":1}]' },
    { ids: '{"a":1}' },
    { ids: '[1.5]' },
    { epoch: 2 ** 53 },
    { last_id: -4 },
  ]) {
    it(`of the log of claims is refused with ${JSON.stringify(broken)}`, () => {
      expect(() => batchOf({ ...row, ...broken }, 'keys-db-1')).to.throw(
        ImpossibleValueError,
        `keys-db-1 holds an impossible value: ${Object.keys(broken)[0]} of batch 7`,
      );
    });
  }
});
