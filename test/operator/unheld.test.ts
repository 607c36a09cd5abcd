import { expect } from 'chai';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { parseProducerMember } from '../../coordinator/overview/producer-member.ts';
import { unheldEntries } from '../../coordinator/overview/alarms.ts';

const DRAINED = 'every producer is drained. Let one take shards again: keymill producers undrain ID';
const FULL =
  'every producer that is not drained holds as many shards as it may. Start another one, or raise KEYMILL_PRODUCER_CAPACITY';
const NONE = 'no producer runs';

describe('shards that nobody holds', () => {
  /** Producers by id: capacity and held shards. */
  type Producers = Readonly<Record<string, [capacity: number, ...owned: string[]]>>;

  const table: [what: string, held: string[], producers: Producers, drained: string[], why?: string][] = [
    ['are no alarm while a producer has room: it takes them', ['a'], { p: [2, 'a'] }, []],
    ['are an alarm when no producer runs', ['a'], {}, [], NONE],
    ['are an alarm when only the mark of a producer is left', [], {}, ['p'], NONE],
    ['are an alarm when every producer is drained', [], { p: [0], q: [0] }, ['p', 'q'], DRAINED],
    ['are no alarm while one of the producers is not drained', [], { p: [0], q: [2] }, ['p']],
    ['are an alarm when the others are full', ['a'], { p: [0], q: [1, 'a'] }, ['p'], FULL],
    ['are an alarm when all are full', ['a'], { q: [1, 'a'] }, [], FULL],
  ];
  for (const [what, held, producers, drained, why] of table) {
    it(what, () => {
      const coordination = {
        locks: new Map(held.map((shard) => [shard, {} as LockHolder])),
        producers: Object.entries(producers).map(
          ([id, [capacity, ...owned]]) => parseProducerMember({ id, capacity, owned }) ?? expect.fail(),
        ),
        drained,
      };
      const free = ['a', 'b'].filter((shard) => !held.includes(shard));
      expect(unheldEntries(['a', 'b'], coordination)).to.deep.equal(
        why === undefined ? [] : free.map((shard) => ({ shard, why })),
      );
    });
  }
});
