import { expect } from 'chai';
import { ageOf } from '../../../runtime/dashboard/block.ts';

const NOW_MS = Date.UTC(2026, 10, 29, 12);

describe('how long ago something was, on a dashboard without scripts', () => {
  for (const [seconds, said] of [
    [-5, '0 s'],
    [59, '59 s'],
    [60, '1 min'],
    [3_599, '59 min'],
    [11_100, '3 h 5 min'],
    [172_800, '2 days'],
  ] as const)
    it(`is ${said} after ${seconds} s`, () => {
      const since = new Date(NOW_MS - seconds * 1_000).toISOString();
      expect(ageOf(since, NOW_MS).text).to.equal(`<time datetime="${since}" data-age>${said}</time>`);
    });

  it('is a dash when nobody knows it', () => {
    for (const since of [null, 'never']) expect(ageOf(since, NOW_MS).text).to.equal('–');
  });
});
