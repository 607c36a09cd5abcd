import { expect } from 'chai';
import { libertyOf } from '../../scripts/cluster/bring-up.ts';

describe('what up may do to processes that run', () => {
  const unfinished = { step: 'stores', way: 'grow' } as const;

  it('a person’s up restarts those with other settings, and ends surplus ones', () => {
    for (const growth of [undefined, {}])
      expect(libertyOf(false, growth)).to.deep.equal({ renews: true, ends: true });
  });

  it('while a step of growing is half done, only that restarts them', () => {
    expect(libertyOf(false, { unfinished })).to.deep.equal({ renews: false, ends: true });
  });

  it('a repair touches none', () => {
    for (const growth of [undefined, {}, { unfinished }])
      expect(libertyOf(true, growth)).to.deep.equal({ renews: false, ends: false });
  });
});
