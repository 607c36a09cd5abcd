import { expect } from 'chai';
import { OnDemand } from '../../runtime/on-demand.ts';

describe('what is made on demand', () => {
  it('is made once, for all who ask meanwhile and later', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let made = 0;
    const demanded = new OnDemand(async () => {
      made += 1;
      return promise;
    });
    expect(made).to.equal(0);
    const asked = [demanded.get(), demanded.get()];
    expect(demanded.value).to.equal(undefined);
    resolve('it');
    expect(await Promise.all(asked)).to.deep.equal(['it', 'it']);
    expect([demanded.value, await demanded.get(), made]).to.deep.equal(['it', 'it', 1]);
  });

  it('is tried again after a failure', async () => {
    let made = 0;
    const demanded = new OnDemand(async () => {
      made += 1;
      if (made === 1) throw new Error('no file');
      return made;
    });
    const outcomes = await Promise.allSettled([demanded.get(), demanded.get()]);
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect(await demanded.get()).to.equal(2);
  });
});
