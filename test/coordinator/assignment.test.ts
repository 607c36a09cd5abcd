import { expect } from 'chai';
import * as fc from 'fast-check';
import { assign, type AssignmentMember } from '../../coordinator/assignment.ts';

/** A possible situation: shards, members, and the owner of each shard, at most one. */
const situation = fc
  .record({
    shardCount: fc.integer({ min: 0, max: 12 }),
    capacities: fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 7 }),
    owners: fc.array(fc.integer({ min: -1, max: 6 }), { minLength: 12, maxLength: 12 }),
  })
  .map(({ shardCount, capacities, owners }) => {
    const shards = Array.from({ length: shardCount }, (_, index) => `keys-db-${index + 1}`);
    const members: AssignmentMember[] = capacities.map((capacity, index) => ({
      id: `producer-${index + 1}`,
      capacity,
      owned: shards.filter((_, shard) => owners[shard] === index),
    }));
    return { shards, members };
  });

function numbersOf(members: readonly AssignmentMember[], result: Map<string, string>): Map<string, number> {
  const numbers = new Map(members.map(({ id }) => [id, 0]));
  for (const id of result.values()) numbers.set(id, (numbers.get(id) ?? 0) + 1);
  return numbers;
}

function keptBy(members: readonly AssignmentMember[], result: Map<string, string>): number {
  return members.reduce(
    (sum, { id, owned }) => sum + owned.filter((shard) => result.get(shard) === id).length,
    0,
  );
}

describe('assignment', () => {
  it('gives no member more than its capacity, and assigns every shard while a member has room', () => {
    fc.assert(
      fc.property(situation, ({ shards, members }) => {
        const result = assign(members, shards);
        const total = members.reduce((sum, { capacity }) => sum + capacity, 0);
        expect(result.size).to.equal(Math.min(total, shards.length));
        const numbers = numbersOf(members, result);
        for (const { id, capacity } of members) expect(numbers.get(id)).to.be.at.most(capacity);
      }),
    );
  });

  it('is level: a member with room for one more has at most one shard less than any other member', () => {
    fc.assert(
      fc.property(situation, ({ shards, members }) => {
        const numbers = numbersOf(members, assign(members, shards));
        const most = Math.max(0, ...numbers.values());
        for (const { id, capacity } of members) {
          const number = numbers.get(id) ?? 0;
          if (number < capacity) expect(most - number).to.be.at.most(1);
        }
      }),
    );
  });

  it('moves the fewest shards that a level assignment allows', () => {
    fc.assert(
      fc.property(situation, ({ shards, members }) => {
        const result = assign(members, shards);
        expect(keptBy(members, result)).to.equal(mostThatCanStay(members, shards.length));
      }),
    );
  });

  it('does not depend on the order in which members and shards are listed', () => {
    fc.assert(
      fc.property(
        situation.chain(({ shards, members }) =>
          fc.record({
            shards: fc.constant(shards),
            members: fc.constant(members),
            shuffledShards: fc.shuffledSubarray(shards, { minLength: shards.length }),
            shuffledMembers: fc.shuffledSubarray(members, { minLength: members.length }),
          }),
        ),
        ({ shards, members, shuffledShards, shuffledMembers }) => {
          const reversed = shuffledMembers.map((member) => ({ ...member, owned: member.owned.toReversed() }));
          const sorted = (result: Map<string, string>): unknown =>
            [...result].toSorted(([a], [b]) => a.localeCompare(b));
          expect(sorted(assign(reversed, shuffledShards))).to.deep.equal(sorted(assign(members, shards)));
        },
      ),
    );
  });

  it('is stable: once every member has its assigned shards, no shard moves', () => {
    fc.assert(
      fc.property(situation, ({ shards, members }) => {
        const result = assign(members, shards);
        const assigned = members.map((member) => ({
          ...member,
          owned: shards.filter((shard) => result.get(shard) === member.id),
        }));
        expect(assign(assigned, shards)).to.deep.equal(result);
      }),
    );
  });

  it('moves no more than a fair share when a member joins or leaves', () => {
    fc.assert(
      fc.property(situation, fc.integer({ min: 1, max: 6 }), ({ shards, members }, capacity) => {
        const before = assign(members, shards);
        const assigned = members.map((member) => ({
          ...member,
          owned: shards.filter((shard) => before.get(shard) === member.id),
        }));
        const joined = [...assigned, { id: 'producer-new', capacity, owned: [] }];
        const after = assign(joined, shards);
        for (const [shard, owner] of before) expect(after.get(shard)).to.be.oneOf([owner, 'producer-new']);
        const left = assign(
          joined
            .filter(({ id }) => id !== 'producer-new')
            .map((member) => ({
              ...member,
              owned: shards.filter((shard) => after.get(shard) === member.id),
            })),
          shards,
        );
        for (const [shard, owner] of after)
          if (owner !== 'producer-new') expect(left.get(shard)).to.equal(owner);
      }),
    );
  });

  it('tolerates nonsense: unknown shards, a shard with two owners, an id given twice, odd capacities', () => {
    const members: AssignmentMember[] = [
      { id: 'a', capacity: 2.9, owned: ['keys-db-1', 'gone', 'keys-db-1'] },
      { id: 'b', capacity: Number.NaN, owned: ['keys-db-2'] },
      { id: 'c', capacity: -3, owned: [] },
      { id: 'd', capacity: 2, owned: ['keys-db-1', 'keys-db-2'] },
      { id: 'd', capacity: 2, owned: [] },
    ];
    const result = assign(members, ['keys-db-1', 'keys-db-2', 'keys-db-3', 'keys-db-4', 'keys-db-5']);
    const numbers = numbersOf(members, result);
    expect(result.size).to.equal(4);
    expect([numbers.get('a'), numbers.get('d')]).to.deep.equal([2, 2]);
  });

  it('keeps the default cluster level: 4 shards, 3 producers of capacity 2, a fourth joins and one leaves', () => {
    const shards = ['keys-db-1', 'keys-db-2', 'keys-db-3', 'keys-db-4'];
    const three = ['producer-1', 'producer-2', 'producer-3'].map((id) => ({
      id,
      capacity: 2,
      owned: [] as string[],
    }));
    const first = assign(three, shards);
    expect([...numbersOf(three, first).values()]).to.have.members([1, 1, 2]);
    const assigned = three.map((member) => ({
      ...member,
      owned: shards.filter((s) => first.get(s) === member.id),
    }));
    const second = assign([...assigned, { id: 'producer-4', capacity: 2, owned: [] }], shards);
    expect(shards.filter((shard) => first.get(shard) !== second.get(shard)).length).to.equal(1);
  });
});

/**
 * How many shards can keep their owner in the best level assignment. Tries every member for the uneven rest.
 */
function mostThatCanStay(members: readonly AssignmentMember[], shardCount: number): number {
  let level = 0;
  let left = shardCount;
  for (;;) {
    const open = members.filter(({ capacity }) => capacity > level);
    if (open.length === 0 || left < open.length) break;
    left -= open.length;
    level += 1;
  }
  const base = members.reduce((sum, { capacity, owned }) => sum + Math.min(owned.length, capacity, level), 0);
  const couldKeepOneMore = members.filter(
    ({ capacity, owned }) => Math.min(capacity, owned.length) > level,
  ).length;
  return base + Math.min(left, couldKeepOneMore);
}
