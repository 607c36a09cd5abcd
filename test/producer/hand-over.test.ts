import { expect } from 'chai';
import type { BalanceView } from '../../producer/session/balance.ts';
import { HandOvers } from '../../producer/session/hand-over.ts';
import { log } from './cluster.ts';
import { memberView } from './member-view.ts';

const T = 1_000;

describe('HandOvers', () => {
  const heir = memberView('p2', { asks: ['s2'] });
  const assigned = new Map([
    ['s1', 'p1'],
    ['s2', 'p2'],
  ]);

  function view(owned: string[], owners: [string, string][]): BalanceView {
    const self = memberView('p1', { owned });
    return { self, members: [self, heir], assigned, owners: new Map(owners) };
  }

  const before = view(
    ['s1', 's2'],
    [
      ['s1', 'p1'],
      ['s2', 'p1'],
    ],
  );
  const released = view(['s1'], [['s1', 'p1']]);
  const stillShown = view(
    ['s1'],
    [
      ['s1', 'p1'],
      ['s2', 'p1'],
    ],
  );
  const taken = view(
    ['s1'],
    [
      ['s1', 'p1'],
      ['s2', 'p2'],
    ],
  );

  function begun(): HandOvers {
    const handOvers = new HandOvers(T, 0, log);
    handOvers.observe(before.members, 0);
    expect(handOvers.begin(before, T - 1)).to.equal(undefined);
    expect(handOvers.begin(before, T)).to.deep.equal({ shard: 's2', heir: 'p2', untilMs: 4 * T });
    return handOvers;
  }

  it('begins no other before one is finished', () => {
    const handOvers = begun();
    expect(handOvers.finish(before, T + 1)).to.equal(undefined);
    expect(handOvers.begin(before, T + 1)).to.equal(undefined);
  });

  it('is not finished while our own lock is still shown', () => {
    expect(begun().finish(stillShown, T + 1)).to.equal(undefined);
  });

  it('is finished when the heir holds the shard', () => {
    const handOvers = begun();
    expect(handOvers.finish(released, T + 1)).to.equal(undefined);
    expect(handOvers.finish(taken, T + 2)).to.equal('s2');
    expect(handOvers.begin(before, T + 3)).to.include({ shard: 's2' });
  });

  it('is finished when its time is over; a pause follows', () => {
    const handOvers = begun();
    expect(handOvers.finish(released, 4 * T)).to.equal('s2');
    expect(handOvers.begin(before, 4 * T + 1)).to.equal(undefined);
    expect(handOvers.begin(before, 5 * T)).to.include({ shard: 's2' });
  });
});
