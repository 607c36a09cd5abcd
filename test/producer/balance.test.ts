import { expect } from 'chai';
import { asksOf, giveBackOf, HandOverPace } from '../../producer/session/balance.ts';
import { parseProducerMember } from '../../coordinator/overview/producer-member.ts';
import { memberView } from './member-view.ts';

const T = 2_000;

describe('asksOf', () => {
  const rich = memberView('p1', { owned: ['s1', 's2'] });
  const owners = new Map([
    ['s1', 'p1'],
    ['s2', 'p1'],
  ]);
  const assigned = new Map([
    ['s1', 'p1'],
    ['s2', 'p2'],
  ]);

  it('asks for a shard assigned to it that a member holds', () => {
    const self = memberView('p2');
    expect(asksOf({ self, members: [rich, self], assigned, owners })).to.deep.equal(['s2']);
  });

  it('does not ask for a free shard, which it may take', () => {
    const self = memberView('p2');
    expect(asksOf({ self, members: [rich, self], assigned, owners: new Map() })).to.deep.equal([]);
  });

  it('does not ask for a shard whose owner is no member', () => {
    const self = memberView('p2');
    const strangers = new Map([['s2', 'somebody']]);
    expect(asksOf({ self, members: [rich, self], assigned, owners: strangers })).to.deep.equal([]);
  });

  it('does not ask for a shard whose keys-db it cannot reach', () => {
    const self = memberView('p2', { unreachable: ['s2'] });
    expect(asksOf({ self, members: [rich, self], assigned, owners })).to.deep.equal([]);
  });

  it('asks for nothing when it has its share', () => {
    const self = memberView('p2', { owned: ['s3'] });
    expect(asksOf({ self, members: [rich, self], assigned, owners })).to.deep.equal([]);
  });
});

describe('giveBackOf', () => {
  const assigned = new Map([
    ['s1', 'p1'],
    ['s2', 'p2'],
  ]);
  const self = memberView('p1', { owned: ['s1', 's2'] });

  it('gives a shard back when the member that it is assigned to asks for it', () => {
    expect(
      giveBackOf({ self, members: [self, memberView('p2', { asks: ['s2'] })], assigned, owners: new Map() }),
    ).to.equal('s2');
  });

  it('gives nothing back unasked', () => {
    expect(giveBackOf({ self, members: [self, memberView('p2')], assigned, owners: new Map() })).to.equal(
      undefined,
    );
  });

  it('gives no shard to a member that it is not assigned to', () => {
    const members = [self, memberView('p2'), memberView('p3', { asks: ['s2'] })];
    expect(giveBackOf({ self, members, assigned, owners: new Map() })).to.equal(undefined);
  });

  it('keeps its own share when another member asks for it', () => {
    const members = [self, memberView('p2', { asks: ['s1'] })];
    expect(giveBackOf({ self, members, assigned, owners: new Map() })).to.equal(undefined);
  });
});

describe('HandOverPace', () => {
  const two = [memberView('p1'), memberView('p2')];

  it('waits until membership has been stable for a session timeout', () => {
    const pace = new HandOverPace(T, 0);
    pace.observe(two, 0);
    expect(pace.mayGiveBack(T - 1)).to.equal(false);
    expect(pace.mayGiveBack(T)).to.equal(true);
    pace.observe([...two, memberView('p3')], T);
    expect(pace.mayGiveBack(T + 1)).to.equal(false);
  });

  it('ignores what members own or ask for', () => {
    const pace = new HandOverPace(T, 0);
    pace.observe(two, 0);
    pace.observe([memberView('p2', { asks: ['s1'] }), memberView('p1', { owned: ['s1'] })], T);
    expect(pace.mayGiveBack(T)).to.equal(true);
  });

  it('doubles its pause after each failed hand-over, and ends it after one that succeeded', () => {
    const pace = new HandOverPace(T, 0);
    pace.failed(10_000);
    expect([pace.mayGiveBack(10_000 + T - 1), pace.mayGiveBack(10_000 + T)]).to.deep.equal([false, true]);
    pace.failed(20_000);
    expect([pace.mayGiveBack(20_000 + 2 * T - 1), pace.mayGiveBack(20_000 + 2 * T)]).to.deep.equal([
      false,
      true,
    ]);
    pace.succeeded();
    expect(pace.mayGiveBack(20_001)).to.equal(true);
  });
});

describe('parseProducerMember', () => {
  it('reads everything that a producer writes', () => {
    const written = {
      id: 'p1',
      pid: 2,
      supervisorPid: 1,
      host: 'h',
      capacity: 2,
      owned: ['s1'],
      asks: ['s2'],
      unreachable: ['s3'],
      refused: { s4: 'why' },
      recyclingBlocked: { 'mapper-1': 'why' },
      admin: 'http://127.0.0.1:1',
      low: { 'redis-1': 4_000 },
      high: { 'redis-1': 10_000 },
      since: '2026-01-01T00:00:00.000Z',
    };
    expect(parseProducerMember(written)).to.deep.equal(written);
  });

  it('reads a member that lacks optional fields, or has other values in them', () => {
    const said = { id: 'p1', capacity: 2, owned: ['s1', 7], asks: 's2', pid: '2', low: { 'redis-1': null } };
    expect(parseProducerMember(said)).to.deep.equal({
      ...memberView('p1', { owned: ['s1'] }),
      refused: {},
      recyclingBlocked: {},
      pid: null,
      supervisorPid: null,
      host: null,
      admin: null,
      low: {},
      high: {},
      since: null,
    });
  });

  for (const foreign of [
    null,
    'x',
    7,
    [],
    {},
    { id: 'p1' },
    { id: 1, capacity: 2 },
    { id: 'p1', capacity: -1 },
  ]) {
    it(`does not read ${JSON.stringify(foreign)}`, () =>
      expect(parseProducerMember(foreign)).to.equal(undefined));
  }
});
