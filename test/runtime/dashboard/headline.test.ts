import { expect } from 'chai';
import { headlineOf } from '../../../runtime/dashboard/headline.ts';
import type { Facts, MemberSeen, Seen } from '../../../runtime/dashboard/seen.ts';

const FULL: Facts = {
  id: 'mapper-1',
  kind: 'mapper',
  shards: ['keys-db-1'],
  pools: ['redis-1'],
  urlsDbs: [{ name: 'urls-1', slots: '0-31' }],
  hasZooKeeper: true,
  keySource: 'pools',
};
const SMALL: Facts = { ...FULL, shards: [], hasZooKeeper: false, keySource: 'counter' };

function member(id: string, overrides: Partial<MemberSeen> = {}): MemberSeen {
  const sound = { problem: null, isReady: true, unusable: [], drain: null, held: null, rates: undefined };
  return { id, kind: 'mapper', ...sound, ...overrides };
}

const ADDRESSES = ['mapper-1', 'mapper-2'].map(
  (id) => ({ id, kind: 'mapper', admin: null, host: null }) as const,
);
const SOUND = {
  cluster: {
    problem: null,
    ensemble: 'an id',
    locks: [],
    producers: [],
    mappers: [],
    members: ADDRESSES,
    watermarks: new Map(),
    alarms: [],
  },
  zookeeper: [{ name: '127.0.0.1:2181', mode: 'standalone', connections: 3 }],
  pools: [{ name: 'redis-1', level: 100, isSlow: false, problem: null }],
  keysDbs: [{ name: 'keys-db-1', unused: 100, claimed: 7, ensemble: 'an id' }],
  members: [member('mapper-1'), member('mapper-2')],
} as const satisfies Seen;
const SOUND_SMALL = {
  registry: { store: 'redis-1', problem: null, mappers: [], members: ADDRESSES },
  counter: { store: 'users', reserved: 7, capacity: 100 },
  members: SOUND.members,
} as const satisfies Seen;

/** State, title and sentences, as a person reads them. */
function said(facts: Facts, seen: Seen): string[] {
  const { state, title, alarms, faults, silent } = headlineOf(facts, seen);
  return [
    `${state}: ${title}`,
    ...[...alarms, ...faults].map(({ parts, sentence }) => `${parts.join(', ')} ${sentence}`),
    ...silent,
  ];
}

const FAILING: MemberSeen['rates'] = {
  perSecond: { created: 1, refused: 0, failed: 1, followed: 5, notFound: 0, lost: 2.5, delivered: 0 },
  latencies: { shorten: [], redirect: [] },
};

describe('headline of a dashboard', () => {
  it('says that all is well when every part has said so', () => {
    expect(said(FULL, SOUND)).to.deep.equal(['good: All is well']);
    expect(said(SMALL, SOUND_SMALL)).to.deep.equal(['good: All is well']);
  });

  it('says that it still reads as long as one part has told nothing, or one member was not asked', () => {
    for (const [facts, seen] of [
      [FULL, SOUND],
      [SMALL, SOUND_SMALL],
    ] as const) {
      for (const part of Object.keys(seen)) {
        const { [part as keyof Seen]: _, ...others }: Seen = seen;
        expect(said(facts, others), part).to.deep.equal(['unknown: Reading the cluster']);
      }
      expect(said(facts, { ...seen, members: [member('mapper-1')] })).to.deep.equal([
        'unknown: Reading the cluster',
      ]);
    }
  });

  it('names what members report', () => {
    const of = (...members: MemberSeen[]): string[] => said(FULL, { ...SOUND, members });
    expect(of(member('mapper-1', { unusable: ['urls-1'] }), member('mapper-2'))).to.deep.equal([
      'warn: 1 fault',
      'urls-1 not used by mapper-1',
    ]);
    const without = { unusable: ['urls-1', 'counter'] };
    expect(of(member('mapper-1', without), member('mapper-2', without))).to.deep.equal([
      'warn: 1 fault',
      'counter, urls-1 not used by mapper-1, mapper-2',
    ]);
    expect(of(member('mapper-1', { isReady: false }), member('mapper-2'))).to.deep.equal([
      'bad: 1 fault',
      'mapper-1 not ready',
    ]);
    expect(of(member('mapper-1', { rates: FAILING }), member('mapper-2'))).to.deep.equal([
      'warn: 1 fault',
      'mapper-1 3.5 requests a second fail',
    ]);
  });

  it('names empty pools, and parts that do not answer', () => {
    const [pool] = SOUND.pools;
    expect(said(FULL, { ...SOUND, pools: [{ ...pool, level: 0 }] })).to.deep.equal([
      'warn: 1 fault',
      'redis-1 has no keys',
    ]);
    expect(said(FULL, { ...SOUND, pools: [{ ...pool, level: null }] })).to.deep.equal([
      'warn: 1 part does not answer',
      'redis-1',
    ]);
    const small = {
      ...SOUND_SMALL,
      registry: { ...SOUND_SMALL.registry, problem: 'no connection' },
      counter: { ...SOUND_SMALL.counter, reserved: null },
    };
    expect(said(SMALL, small)).to.deep.equal(['warn: 2 parts do not answer', 'redis-1', 'users']);
  });

  it('says that the counter is used up', () => {
    expect(
      said(SMALL, { ...SOUND_SMALL, counter: { store: 'users', reserved: 100, capacity: 100 } }),
    ).to.deep.equal([
      'warn: 1 fault',
      'counter all ids are reserved: mappers have only the keys that they hold',
    ]);
  });

  it('says once what is an alarm already', () => {
    const [pool] = SOUND.pools;
    const pools = [{ ...pool, problem: 'its first texts are no keys' }];
    const members = [member('mapper-1', { unusable: ['redis-1'] }), member('mapper-2')];
    expect(said(FULL, { ...SOUND, pools, members })).to.deep.equal([
      'bad: 1 alarm',
      'redis-1 not used: its first texts are no keys',
    ]);
  });
});
