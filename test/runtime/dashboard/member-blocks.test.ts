import { expect } from 'chai';
import type { Block } from '../../../runtime/dashboard/block.ts';
import { figuresBlock, mappersBlock, producersBlock } from '../../../runtime/dashboard/member-blocks.ts';
import type { Facts, MemberSeen, Seen } from '../../../runtime/dashboard/seen.ts';
import { EMPTY_CLUSTER } from './empty-cluster.ts';

const PRODUCER: Facts = {
  id: 'producer-1',
  kind: 'producer',
  shards: ['keys-db-1'],
  pools: ['redis-1'],
  urlsDbs: [],
  hasZooKeeper: true,
  keySource: 'pools',
};
const NOBODY = { cluster: EMPTY_CLUSTER } satisfies Seen;

function textOf({ frame, rows }: Block): string {
  return frame(rows.map(({ html }) => html)).text;
}

function mapper(id: string, held: number | null): MemberSeen {
  const sound = { problem: null, isReady: true, unusable: [], drain: null, rates: undefined };
  return { id, kind: 'mapper', held, ...sound };
}

describe('the tables of members on a dashboard', () => {
  it('say what it means that they are empty, instead of showing a table without rows', () => {
    const texts = [mappersBlock(PRODUCER, NOBODY), producersBlock(NOBODY)].map(textOf);
    expect(texts[0]).to.include('No mapper is known, so nobody makes or follows links');
    expect(texts[1]).to.include('No producer runs, so no key is generated or delivered');
    for (const text of texts) expect(text).not.to.include('<table');
    for (const text of [mappersBlock(PRODUCER, {}), producersBlock({})].map(textOf))
      expect(text).to.include('Not read yet.');
  });

  it('say that nobody knows when the store that lists members has never answered', () => {
    const away = { cluster: { ...EMPTY_CLUSTER, problem: 'no session' } };
    const small = { registry: { store: 'redis-1', problem: 'no answer', mappers: [], members: [] } };
    for (const block of [mappersBlock(PRODUCER, away), producersBlock(away), mappersBlock(PRODUCER, small)])
      expect(textOf(block))
        .to.include('Nobody knows')
        .and.not.match(/No (?:producer|mapper)/);
  });

  it('say which mappers have keys by counter while the cluster grows', () => {
    const growing = { ...NOBODY, members: [mapper('mapper-1', 70), mapper('mapper-2', null)] };
    expect(textOf(mappersBlock(PRODUCER, growing)).replaceAll(/\s+/g, ' '))
      .to.include('This cluster grows: mapper-1 still takes its keys from the counter')
      .and.include('./scripts/keymill grow');
    const grown = { ...NOBODY, members: [mapper('mapper-1', null)] };
    expect(textOf(mappersBlock(PRODUCER, grown))).not.to.include('grows');
  });
});

describe('the figures of a dashboard', () => {
  const facts = { ...PRODUCER, shards: ['keys-db-1', 'keys-db-2'], pools: ['redis-1', 'redis-2'] };
  const pool = (name: string, level: number | null) => ({ name, level, isSlow: false, problem: null });
  const keysDb = (name: string, unused: number | null) => ({
    name,
    unused,
    claimed: unused,
    ensemble: undefined,
  });

  function wordsOf(seen: Seen): string {
    return textOf(figuresBlock(facts, seen))
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ');
  }

  it('count no store that does not answer as an empty one', () => {
    const [redis, keys] = [pool('redis-1', 70), keysDb('keys-db-1', 900)];
    const none = {
      pools: [pool('redis-1', null), pool('redis-2', null)],
      keysDbs: [keysDb('keys-db-1', null)],
    };
    expect(wordsOf({})).to.match(/Keys in the pools – not read yet Unused keys – not read yet/);
    expect(wordsOf(none))
      .to.include('Keys in the pools – no pool answers')
      .and.include('Unused keys – no keys-db answers');
    const some = { pools: [redis, pool('redis-2', null)], keysDbs: [keys, keysDb('keys-db-2', null)] };
    expect(wordsOf(some)).to.include('70 in 1 of 2 pools').and.include('900 in 1 of 2 keys-dbs');
    const all = { pools: [redis, pool('redis-2', 0)], keysDbs: [keys, keysDb('keys-db-2', 0)] };
    expect(wordsOf(all)).to.include('70 ready to be taken').and.include('900 in the keys-dbs');
    expect(wordsOf({ ...all, members: [{ ...mapper('mapper-1', null), drain: 0 }] })).to.include(
      '70 nothing takes any',
    );
  });
});
