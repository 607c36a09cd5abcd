import { expect } from 'chai';
import { InTurn } from '../../../runtime/dashboard/in-turn.ts';

describe('what is read in turn', () => {
  it('is read at once when it is new, and then some at a time, each as often as the others', () => {
    const turns = new InTurn(2);
    const ids = ['a', 'b', 'c', 'd', 'e'];
    expect([...turns.next(ids)]).to.deep.equal(ids);
    const rounds = Array.from({ length: 5 }, () => [...turns.next(ids)]);
    expect(rounds.every(({ length }) => length === 2)).to.equal(true);
    expect(rounds.flat().sort()).to.deep.equal([...ids, ...ids].sort());
    expect([...turns.next([...ids, 'new'])])
      .to.have.length(3)
      .and.to.include('new');
  });

  it('is new again when it comes back', () => {
    const turns = new InTurn(1);
    turns.next(['a', 'b']);
    turns.next(['b']);
    expect([...turns.next(['a', 'b'])]).to.include('a');
  });
});
