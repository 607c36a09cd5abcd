import { expect } from 'chai';
import type { Block } from '../../../runtime/dashboard/block.ts';
import { mappersBlock, producersBlock } from '../../../runtime/dashboard/member-blocks.ts';
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

  it('say which mappers have keys by counter while the cluster grows', () => {
    const growing = { ...NOBODY, members: [mapper('mapper-1', 70), mapper('mapper-2', null)] };
    expect(textOf(mappersBlock(PRODUCER, growing)).replaceAll(/\s+/g, ' '))
      .to.include('This cluster grows: mapper-1 still takes its keys from the counter')
      .and.include('./scripts/keymill grow');
    const grown = { ...NOBODY, members: [mapper('mapper-1', null)] };
    expect(textOf(mappersBlock(PRODUCER, grown))).not.to.include('grows');
  });
});
