import { expect } from 'chai';
import { hasGoneBack } from '../../coordinator/ensemble.ts';
import { MismatchError } from '../../db/store-errors.ts';
import type { Sight } from '../../producer/reachability.ts';
import { idleReasons, refusalOf, type RefusalReason } from '../../producer/session/refusal.ts';

const SIGHT: Sight = { isReachable: true, sinceMs: 0, mismatch: undefined, ensemble: 'a', czxid: 9n };
const NONE = new Set<string>();

describe('why a producer does not contend for a shard', () => {
  const cases: readonly [
    title: string,
    sight: Sight | undefined,
    ensemble: { id: string | undefined; goneBackFor: ReadonlySet<string> } | undefined,
    reason: RefusalReason | undefined,
  ][] = [
    ['it contends for one that belongs to this ensemble', SIGHT, { id: 'a', goneBackFor: NONE }, undefined],
    [
      'it contends for one without a reign',
      { ...SIGHT, ensemble: undefined },
      { id: 'a', goneBackFor: NONE },
      undefined,
    ],
    [
      'it contends for one that is silent',
      { ...SIGHT, isReachable: false },
      { id: 'a', goneBackFor: NONE },
      undefined,
    ],
    ['the id was not read yet', SIGHT, undefined, 'not_read'],
    [
      'the keys-db was not asked yet',
      { ...SIGHT, isReachable: undefined },
      { id: 'a', goneBackFor: NONE },
      'not_asked',
    ],
    [
      'the configuration differs',
      { ...SIGHT, mismatch: new MismatchError('s', 'other keys') },
      { id: 'a', goneBackFor: NONE },
      'mismatch',
    ],
    ['the ensemble has no id', SIGHT, { id: undefined, goneBackFor: NONE }, 'no_ensemble'],
    ['the ensemble is another one', SIGHT, { id: 'b', goneBackFor: NONE }, 'other_ensemble'],
    ['the ensemble has gone back', SIGHT, { id: 'a', goneBackFor: new Set(['s']) }, 'gone_back'],
    ['another shard has a later lock', SIGHT, { id: 'a', goneBackFor: new Set(['t']) }, undefined],
  ];
  for (const [title, sight, ensemble, reason] of cases) {
    it(`${title}: ${reason ?? 'no reason'}`, () => {
      expect(refusalOf('s', sight, ensemble)).to.equal(reason);
    });
  }

  it('an ensemble has gone back only if it is below a number that it gave itself', () => {
    const now = { id: 'a', zxid: 5n };
    expect(hasGoneBack({ ensemble: 'a', czxid: 6n }, now)).to.equal(true);
    expect(hasGoneBack({ ensemble: 'a', czxid: 5n }, now)).to.equal(false);
    expect(hasGoneBack({ ensemble: 'b', czxid: 6n }, now)).to.equal(false);
    expect(hasGoneBack({ ensemble: undefined, czxid: 0n }, now)).to.equal(false);
  });
});

describe('a producer that contends for nothing although shards are free', () => {
  const refusals = new Map<string, RefusalReason>([['s', 'gone_back']]);
  const describeRefusal = (shard: string, reason: RefusalReason): string => `${shard}: ${reason}`;
  const standing = {
    capacity: 2,
    reigns: [],
    free: ['s'],
    refusals,
    describe: describeRefusal,
    failures: () => 0,
  };

  it('says why, for each free shard', () => {
    expect(idleReasons(standing)).to.deep.equal({ s: 's: gone_back' });
    expect(idleReasons({ ...standing, free: ['t'], failures: () => 3 })?.['t']).to.include(
      'the last 3 attempts',
    );
  });

  it('says why if each of its reigns ends before it is ready', () => {
    const reigns = [{ shard: 's', wasReady: false }];
    expect(idleReasons({ ...standing, free: [], reigns, failures: () => 4 })).to.have.all.keys('s');
  });

  it('is in order while it reigns, begins to, or may take one of them', () => {
    expect(idleReasons({ ...standing, reigns: [{ shard: 't', wasReady: true }] })).to.equal(undefined);
    expect(idleReasons({ ...standing, reigns: [{ shard: 't', wasReady: false }] })).to.equal(undefined);
    expect(idleReasons({ ...standing, free: ['s', 't'] })).to.equal(undefined);
  });

  it('is in order if no shard is free, or while it is drained', () => {
    expect(idleReasons({ ...standing, free: [] })).to.equal(undefined);
    expect(idleReasons({ ...standing, capacity: 0 })).to.equal(undefined);
  });
});
