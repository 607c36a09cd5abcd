import { expect } from 'chai';
import { groupDigits } from '../../runtime/grouped-digits.ts';

describe('grouped digits', () => {
  it('are those of Intl', () => {
    for (const size of [0, 1, 2, 3, 4, 6, 7, 15])
      for (const value of [10 ** size, -(10 ** size), 10 ** size - 1, Math.floor(Math.random() * 10 ** size)])
        expect(groupDigits(value)).to.equal(value.toLocaleString('en-US'));
  });
});
