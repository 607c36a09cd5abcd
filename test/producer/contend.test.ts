import { expect } from 'chai';
import { contend, RANK_DELAY_MS, type Contention } from '../../producer/session/contend.ts';
import { memberView } from './member-view.ts';

const T = 2_000;
const free = (shard: string, freeForMs = 0, blockedForMs = 0) => ({ shard, freeForMs, blockedForMs });

function view(over: Partial<Contention>): Contention {
  const self = over.self ?? memberView('p1');
  return {
    self,
    members: [self, memberView('p2'), memberView('p3')],
    free: [free('s1')],
    shards: 4,
    holds: 0,
    assigned: new Map(),
    sessionTimeoutMs: T,
    ...over,
  };
}

describe('contend', () => {
  it('takes a shard that is assigned to it immediately', () => {
    expect(contend(view({ assigned: new Map([['s1', 'p1']]) })).take).to.deep.equal(['s1']);
  });

  it('leaves a shard to the producer that it is assigned to, for a delay by rank', () => {
    const decision = contend(view({ assigned: new Map([['s1', 'p2']]) }));
    expect(decision.take).to.deep.equal([]);
    expect(decision.againInMs).to.be.within(RANK_DELAY_MS, 3 * RANK_DELAY_MS);
    const later = view({ assigned: new Map([['s1', 'p2']]), free: [free('s1', 3 * RANK_DELAY_MS)] });
    expect(contend(later).take).to.deep.equal(['s1']);
  });

  it('gives each producer a different rank for the same shard', () => {
    const members = ['p1', 'p2', 'p3'].map((id) => memberView(id));
    const waits = members.map((self) => contend(view({ self, members, assigned: new Map() })).againInMs);
    expect(new Set(waits).size).to.equal(3);
  });

  it('goes above its fair share only after three session timeouts', () => {
    const self = memberView('p1', { capacity: 4, owned: ['s2', 's3'] });
    const at = (freeForMs: number) => contend(view({ self, holds: 2, free: [free('s1', freeForMs)] })).take;
    expect(at(3 * T - 1)).to.deep.equal([]);
    expect(at(3 * T)).to.deep.equal(['s1']);
  });

  it('never goes above its capacity, however long a shard is free', () => {
    const decision = contend(
      view({ holds: 2, free: [free('s1', 60_000)], assigned: new Map([['s1', 'p1']]) }),
    );
    expect(decision).to.deep.equal({ take: [], againInMs: undefined });
  });

  it('counts the shards that it takes now against its capacity, and takes assigned ones first', () => {
    const shards = ['s1', 's2', 's3'].map((shard) => free(shard, 60_000));
    const { take } = contend(view({ free: shards, assigned: new Map([['s3', 'p1']]) }));
    expect(take).to.have.length(2);
    expect(take[0]).to.equal('s3');
  });

  it('a drained producer takes nothing', () => {
    const self = memberView('p1', { capacity: 0 });
    expect(contend(view({ self, assigned: new Map([['s1', 'p1']]) })).take).to.deep.equal([]);
  });

  it('waits for the end of a block', () => {
    const assigned = new Map([['s1', 'p1']]);
    const decision = contend(view({ assigned, free: [free('s1', 0, 700)] }));
    expect(decision).to.deep.equal({ take: [], againInMs: 700 });
  });

  it('leaves a keys-db that it cannot reach to producers that can', () => {
    const self = memberView('p1', { unreachable: ['s1'] });
    expect(contend(view({ self, assigned: new Map([['s1', 'p1']]) })).againInMs).to.equal(3 * T);
  });

  it('takes a keys-db that no producer reaches, to be ready when it returns', () => {
    const members = ['p1', 'p2'].map((id) => memberView(id, { unreachable: ['s1'] }));
    const decision = contend(
      view({ self: memberView('p1', { unreachable: ['s1'] }), members, assigned: new Map([['s1', 'p1']]) }),
    );
    expect(decision.take).to.deep.equal(['s1']);
  });
});
