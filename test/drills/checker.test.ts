import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { goalsOf } from '../../drills/check/goals.ts';
import { LostLinks } from '../../drills/check/lost-links.ts';
import { missedGoals } from '../../drills/check/missed-goals.ts';
import { checkClaims, ReignChecker, type ClaimRecord } from '../../drills/check/reigns.ts';
import { SlotsKeeper } from '../../drills/check/slots.ts';
import { TallyKeeper } from '../../drills/check/tally.ts';
import { FaultTallyKeeper, RecoveryKeeper } from '../../drills/check/windows.ts';
import type { HistoryEntry, RedirectEntry, ReignEntry, ShortenEntry } from '../../drills/history/history.ts';
import type { DrillReport } from '../../drills/report.ts';

/** Two keys in different slots, the lower slot first. */
const [LOW, HIGH] = ['aaaaaaaa', 'aaaaaaab'].toSorted((a, b) => slotOf(a) - slotOf(b)) as [string, string];

function acked(n: number, key: string, at = n * 10): ShortenEntry {
  return { op: 'shorten', at, ms: 2, n, outcome: 'acked', key, via: 'mapper-1', status: 201 };
}

function redirect(n: number, key: string, outcome: RedirectEntry['outcome']): RedirectEntry {
  return { op: 'redirect', at: 500, ms: 1, n, key, outcome, via: 'mapper-2' };
}

function tally(...entries: HistoryEntry[]): ReturnType<TallyKeeper['result']> {
  const keeper = new TallyKeeper();
  for (const entry of entries) keeper.add(entry);
  return keeper.result();
}

describe('the checker over a history', () => {
  it('finds nothing in a correct history', () => {
    const result = tally(acked(1, 'aaa'), acked(2, 'bbb'), redirect(1, 'aaa', 'right'));
    expect(result.violations).to.deep.equal([]);
    expect(result).to.include({
      sent: 2,
      acked: 2,
      redirects: 1,
      redirectsFailed: 0,
      lost: 0,
      duplicates: 0,
    });
  });

  it('finds a key that was acknowledged twice', () => {
    const result = tally(acked(1, 'aaa'), acked(2, 'bbb'), acked(3, 'aaa'));
    expect(result.duplicates).to.equal(1);
    expect(result.violations).to.deep.equal(['key aaa was acknowledged for link 1 and for link 3']);
  });

  it('finds a redirect to another target', () => {
    const result = tally(acked(1, 'aaa'), {
      ...redirect(1, 'aaa', 'wrong'),
      location: 'https://example.com/other',
    });
    expect(result.wrongTarget).to.equal(1);
    expect(result.violations[0]).to.contain('aaa (link 1) led to https://example.com/other');
  });

  it('finds an acknowledged link that a mapper answers with 404', () => {
    const result = tally(acked(1, 'aaa'), { ...redirect(1, 'aaa', 'lost'), status: 404 });
    expect(result.lost).to.equal(1);
    expect(result.violations[0]).to.contain('aaa (link 1) was acknowledged and answered 404');
  });

  it('counts a shorten without an answer as unknown, neither failed nor acknowledged', () => {
    const result = tally({ op: 'shorten', at: 1, ms: 5_000, n: 1, outcome: 'unknown' });
    expect(result).to.include({ sent: 1, unknown: 1, acked: 0, failed: 0 });
    expect(result.violations).to.deep.equal([]);
  });

  it('measures the longest time without an acknowledgement when entries are not in order', () => {
    const { unavailableMs } = tally(acked(3, 'ccc', 900), acked(1, 'aaa', 0), acked(2, 'bbb', 200));
    expect(unavailableMs).to.equal(700);
  });

  it('counts only requests between the grace and the end of a fault', () => {
    const keeper = new FaultTallyKeeper([{ fromMs: 1_000, toMs: 3_000, slotsDown: new Set() }], 500);
    const refused = (at: number): ShortenEntry => ({ op: 'shorten', at, ms: 7, n: 1, outcome: 'refused' });
    for (const at of [900, 1_200, 2_000, 3_100]) keeper.add(refused(at));
    keeper.add(acked(2, 'aaa', 2_500));
    expect(keeper.tally).to.include({ shortens: 2, acked: 1, refusedWithoutRetryAfter: 1 });
    expect(keeper.tally.refusedMs).to.deep.equal([7]);
    expect(keeper.summary().ackedShare).to.equal(0.5);
  });

  it('measures how long shortens went on failing after healing', () => {
    const keeper = new RecoveryKeeper(1_000);
    keeper.add({ op: 'shorten', at: 900, ms: 1, n: 1, outcome: 'refused' });
    expect(keeper.backMs).to.equal(0);
    keeper.add({ op: 'shorten', at: 1_700, ms: 1, n: 2, outcome: 'failed' });
    keeper.add(acked(3, 'aaa', 1_900));
    expect(keeper.backMs).to.equal(700);
  });
});

const CLAIMS: readonly ClaimRecord[] = [
  claim({ id: 1, firstId: 1, lastId: 100, epoch: 1, parts: [part('redis-1', 1), part('redis-2', 1)] }),
  claim({ id: 2, firstId: 101, lastId: 200, epoch: 1, parts: [part('redis-1', 2)] }),
  claim({ id: 3, firstId: 203, lastId: 300, epoch: 2, parts: [part('redis-1', 3), part('redis-2', 2)] }),
  claim({ id: 4, kind: 'recycled', ids: [5, 150], epoch: 2, parts: [part('redis-2', 3)] }),
];

function part(pool: string, seq: number): { pool: string; seq: number } {
  return { pool, seq };
}

function claim(fields: Partial<ClaimRecord>): ClaimRecord {
  const claimedTo = fields.lastId ?? 300;
  return {
    id: 1,
    kind: 'range',
    firstId: null,
    lastId: null,
    ids: null,
    epoch: 1,
    claimedTo,
    parts: [],
    ...fields,
  };
}

function withClaim(index: number, change: Partial<ClaimRecord>): ClaimRecord[] {
  return CLAIMS.map((record, at) => (at === index ? { ...record, ...change } : record));
}

describe('the checker over the log of claims of a keys-db', () => {
  it('finds nothing in a correct log; gaps between ids are reserved words', () => {
    expect(checkClaims('keys-db-1', CLAIMS)).to.deep.equal([]);
  });

  it('finds a claim of an older epoch after a newer one', () => {
    expect(
      checkClaims('keys-db-1', [...CLAIMS, claim({ id: 5, firstId: 301, lastId: 400, epoch: 1 })]),
    ).to.deep.equal(['keys-db-1, batch 5: claimed by epoch 1 after epoch 2']);
  });

  it('finds ranges that overlap', () => {
    expect(checkClaims('keys-db-1', withClaim(1, { firstId: 100 }))).to.deep.equal([
      'keys-db-1, batch 2: claims ids 100–200 although 100 was claimed before',
    ]);
  });

  it('finds a mark that is not the end of its range', () => {
    const breaches = checkClaims('keys-db-1', withClaim(2, { claimedTo: 250 }));
    expect(breaches).to.deep.equal(['keys-db-1, batch 3: claims up to 300 and sets the mark to 250']);
  });

  it('finds a part number that is used twice, and one that is left out', () => {
    expect(checkClaims('keys-db-1', withClaim(1, { parts: [part('redis-1', 1)] }))[0]).to.contain(
      'redis-1 gets part 1 again, after 1',
    );
    const hole = checkClaims('keys-db-1', withClaim(3, { parts: [part('redis-2', 5)] }));
    expect(hole).to.deep.equal([
      'keys-db-1, batch 4: redis-2 gets part 5 after 2; the parts between were never claimed',
    ]);
  });

  it('allows part numbers to jump after a keys-db was restored, but never to repeat', () => {
    const jump = withClaim(3, { parts: [part('redis-2', 5)] });
    expect(checkClaims('keys-db-1', jump, { renumbered: true })).to.deep.equal([]);
    const again = withClaim(3, { parts: [part('redis-2', 2)] });
    expect(checkClaims('keys-db-1', again, { renumbered: true })).to.have.length(1);
  });

  it('ignores claims from before the drill', () => {
    const overlapping = withClaim(1, { firstId: 100 });
    expect(checkClaims('keys-db-1', overlapping, { after: 2 })).to.deep.equal([]);
    expect(checkClaims('keys-db-1', overlapping, { after: 1 })).to.have.length(1);
  });

  it('finds a recycled key that was never claimed', () => {
    expect(checkClaims('keys-db-1', withClaim(3, { ids: [5, 301] }))[0]).to.contain('recycles id 301');
  });
});

function seen(fields: Partial<ReignEntry>): ReignEntry {
  return { op: 'reign', at: 10, store: 'redis-1', shard: 'keys-db-1', epoch: 1, ...fields };
}

function breachesOf(entries: readonly ReignEntry[], restored?: ReadonlySet<string>): string[] {
  const checker = new ReignChecker(restored);
  for (const entry of entries) checker.add(entry);
  return checker.result();
}

describe('the checker over the reigns that stores report', () => {
  const redis = (epoch: number, seq: number, incarnation = 'one'): ReignEntry =>
    seen({ epoch, seq, incarnation });

  it('finds nothing in reigns that follow each other', () => {
    expect(breachesOf([redis(1, 1), redis(1, 2), redis(2, 2), redis(2, 3)])).to.deep.equal([]);
  });

  it('finds an accepted delivery of an older epoch after a newer one', () => {
    expect(breachesOf([redis(2, 4), redis(1, 5)])[0]).to.contain('keys-db-1 fell from epoch 2 to 1');
  });

  it('finds a part that was accepted out of order', () => {
    expect(breachesOf([redis(2, 4), redis(2, 3)])[0]).to.contain('fell from part 4 to 3');
  });

  it('allows a Redis to start again with new data, or with older data from the drill', () => {
    expect(breachesOf([redis(2, 4), redis(0, 0, 'two')])).to.deep.equal([]);
    expect(breachesOf([redis(2, 4), redis(1, 2)], new Set(['redis-1']))).to.deep.equal([]);
    expect(breachesOf([redis(2, 4), redis(1, 2)], new Set(['redis-2']))).to.have.length(2);
  });

  it('finds an epoch of two holders', () => {
    const own = (owner: string, czxid: string): ReignEntry =>
      seen({ store: 'keys-db-1', epoch: 3, owner, czxid });
    expect(breachesOf([own('producer-1', '17'), own('producer-1', '17')])).to.deep.equal([]);
    expect(breachesOf([own('producer-1', '17'), own('producer-2', '19')])).to.deep.equal([
      'keys-db-1: epoch 3 belonged to producer-1 by lock 17 and then to producer-2 by lock 19',
    ]);
  });
});

describe('redirects while a urls server is down', () => {
  const window = { fromMs: 1_000, toMs: 9_000, slotsDown: new Set([slotOf(LOW)]) };
  const at = (ms: number, key: string, outcome: RedirectEntry['outcome'], took = 3): RedirectEntry => ({
    ...redirect(1, key, outcome),
    at: ms,
    ms: took,
  });
  function tallyOf(...entries: RedirectEntry[]): SlotsKeeper['tally'] {
    const keeper = new SlotsKeeper([window]);
    for (const entry of entries) keeper.add(entry);
    return keeper.tally;
  }

  it('may be refused when their slot is down; the time of the refusal is counted', () => {
    const { refusedMs, ...faults } = tallyOf(at(500, HIGH, 'right'), at(2_000, LOW, 'refused', 700));
    expect(refusedMs).to.deep.equal([700]);
    expect(faults).to.deep.equal({ elsewhere: 0, forgotten: 0, brokenOff: 0 });
  });

  it('must not fail when their slot is up or the mapper has answered before, and must not time out', () => {
    expect(tallyOf(at(2_000, HIGH, 'refused')).elsewhere).to.equal(1);
    expect(tallyOf(at(500, LOW, 'right'), at(2_000, LOW, 'refused')).forgotten).to.equal(1);
    expect(tallyOf(at(2_000, LOW, 'unknown')).brokenOff).to.equal(1);
  });
});

const NO_IMAGES: DrillReport['images'] = {
  posts: 0,
  acked: 0,
  failed: 0,
  refused: 0,
  unknown: 0,
  deleted: 0,
  views: 0,
  viewsRefused: 0,
  viewsBrokenOff: 0,
  wrongBytes: 0,
  lost: 0,
  seenAfterDeletion: 0,
  givenAgain: 0,
  refusedInFaults: 0,
  slowestRefusalMs: 0,
  backMs: 0,
};

describe('the goals of the drills', () => {
  const LIMITS = { sessionTimeoutMs: 2_000, tickMs: 500, reserve: 256, quarantineMs: 30_000 };
  const none = { p50: 0, max: 0, all: [] };
  const good: DrillReport['during'] = {
    ackedShare: 1,
    redirectShare: 1,
    refused: 0,
    refusedP99Ms: 0,
    decay: null,
  };
  function missed(drill: string, figures: Partial<DrillReport>): string[] {
    const keeper = new FaultTallyKeeper([], 0);
    return missedGoals(
      goalsOf(drill, LIMITS),
      {
        failed: 0,
        refused: 0,
        unknown: 0,
        redirectsFailed: 0,
        unownedMs: none,
        deadMs: none,
        parts: [],
        unavailableMs: 0,
        backMs: null,
        stranded: null,
        during: good,
        ...figures,
      },
      keeper.tally,
      new SlotsKeeper([]).tally,
    );
  }

  it('hold for every part', () => {
    const slow = { p50: 60, max: 700, all: [60, 700] };
    const parts = [
      { name: 'all healthy', rounds: 1, unownedMs: none, deadMs: none },
      { name: 'one hung', rounds: 1, unownedMs: slow, deadMs: none },
    ];
    expect(missed('worker-kill', { parts })).to.deep.equal([
      'median time unowned (one hung): 60 ms, at most 50 ms allowed',
      'longest time unowned (one hung): 700 ms, at most 500 ms allowed',
    ]);
  });

  it('require a noticeable fault, no decay, and no more stranded keys than a mapper holds', () => {
    expect(missed('pools-empty', {})).to.deep.equal(['no shorten was refused, so there was no fault']);
    expect(missed('urls-down', { during: { ...good, decay: 0.03 } })).to.have.length(1);
    expect(missed('mapper-kill', { stranded: { keys: 258, bound: 257 } })).to.have.length(1);
    expect(missed('mapper-kill', { stranded: { keys: 257, bound: 257 } })).to.deep.equal([]);
  });

  it('require images to be refused in time, and redirects not to become slower', () => {
    const images = { ...NO_IMAGES, refusedInFaults: 5, slowestRefusalMs: 900, backMs: 300 };
    expect(missed('blobs-down', { images })).to.deep.equal([]);
    const nothing = ['no request for an image was refused, so there was no fault'];
    expect(missed('blobs-down', {})).to.deep.equal(nothing);
    expect(missed('blobs-down', { images: NO_IMAGES })).to.deep.equal(nothing);
    expect(missed('blobs-down', { images: { ...images, slowestRefusalMs: 20_000 } })).to.have.length(1);
    expect(missed('blobs-down', { images: { ...images, backMs: 20_000 } })).to.have.length(1);
    const p99 = (during: number, without: number): DrillReport['during'] => ({
      ...good,
      redirectP99Ms: { during, without },
    });
    expect(missed('blobs-down', { images, during: p99(201, 100) })).to.have.length(1);
    expect(missed('blobs-down', { images, during: p99(200, 100) })).to.deep.equal([]);
    expect(missed('blobs-down', { images, during: p99(49, 2) })).to.deep.equal([]);
  });
});

describe('links that a drill itself has lost', () => {
  const putBack = [{ slots: new Set([slotOf(LOW)]), fromMs: 1_000, toMs: 2_000, at: new Date() }];
  const lost = (key: string, at: number): RedirectEntry => ({ ...redirect(1, key, 'lost'), at });

  function tallyOf(...entries: HistoryEntry[]): ReturnType<TallyKeeper['result']> {
    const lostLinks = new LostLinks(putBack);
    const keeper = new TallyKeeper(lostLinks);
    for (const entry of entries) {
      lostLinks.add(entry);
      keeper.add(entry);
    }
    return keeper.result();
  }

  it('may answer 404 after their urls server was put back, and not before', () => {
    expect(tallyOf(acked(1, LOW, 1_500), lost(LOW, 2_100))).to.include({ lost: 0, redirectsFailed: 1 });
    expect(tallyOf(acked(1, LOW, 1_500), lost(LOW, 1_900)).lost).to.equal(1);
  });

  it('are those of its slots that were acknowledged since the copy, and no others', () => {
    expect(tallyOf(acked(1, HIGH, 1_500), lost(HIGH, 2_100)).lost).to.equal(1);
    expect(tallyOf(acked(1, LOW, 900), lost(LOW, 2_100)).lost).to.equal(1);
    expect(tallyOf(acked(1, LOW, 2_050), lost(LOW, 2_100)).lost).to.equal(1);
  });

  it('must not lead elsewhere, and their keys must not be acknowledged again', () => {
    const wrong = { ...lost(LOW, 2_100), outcome: 'wrong' } as const;
    expect(tallyOf(acked(1, LOW, 1_500), wrong).wrongTarget).to.equal(1);
    expect(tallyOf(acked(1, LOW, 1_500), acked(2, LOW, 2_500)).duplicates).to.equal(1);
  });
});
