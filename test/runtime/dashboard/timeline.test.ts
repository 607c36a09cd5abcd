import { expect } from 'chai';
import { handOversOf, spansOf } from '../../../runtime/dashboard/hand-overs.ts';
import type { LockSeen } from '../../../runtime/dashboard/seen.ts';
import { newsOf } from '../../../runtime/dashboard/screen.ts';
import { eventsBlock } from '../../../runtime/dashboard/shard-blocks.ts';
import {
  lockEvents,
  parseEvents,
  storeEvent,
  Timeline,
  TIMELINE_MS,
} from '../../../runtime/dashboard/timeline.ts';

const NOW = Date.parse('2026-11-29T12:00:00.000Z');

function lock(owner: string | null, agoMs: number, epoch: number | null = null): LockSeen {
  const since = owner === null ? null : new Date(NOW - agoMs).toISOString();
  return { shard: 'keys-db-1', owner, pid: 1, since, epoch };
}

describe('timeline of a dashboard', () => {
  it('a hand-over: who, how long without a holder, and the epoch', () => {
    const timeline = new Timeline(() => NOW);
    const looks: [LockSeen, number][] = [
      [lock('producer-1', 60_000, 4), NOW - 50_000],
      [lock(null, 0), NOW - 10_000],
      [lock('producer-2', 9_600), NOW - 9_500],
      [lock('producer-2', 9_600, 5), NOW - 9_000],
    ];
    let before: LockSeen[] | undefined;
    for (const [seen, atMs] of looks) {
      timeline.add(lockEvents(before, [seen], atMs));
      before = [seen];
    }
    const [last, first] = handOversOf(timeline.all());
    expect(last).to.include({
      shard: 'keys-db-1',
      from: 'producer-1',
      to: 'producer-2',
      epoch: 5,
      freeMs: 400,
    });
    expect(first).to.include({ from: null, to: 'producer-1', epoch: 4 });
    const spans = spansOf(timeline.all(), looks.at(-1)?.[0], NOW);
    expect(spans.map(({ owner, fromMs, toMs }) => [owner, fromMs - NOW, toMs - NOW])).to.deep.equal([
      ['producer-1', -60_000, -10_000],
      ['producer-2', -9_600, 0],
    ]);
  });

  it('an end that is noticed after the next begin does not hide it: clocks differ', () => {
    const old = lock('producer-1', 2 * TIMELINE_MS, 4);
    const next = lock('producer-2', 1_000);
    const events = lockEvents([old], [next], NOW - 500).toSorted((a, b) => a.atMs - b.atMs);
    expect(events.map(({ kind }) => kind)).to.deep.equal(['taken', 'freed']);
    expect(handOversOf(events)).to.deep.include.members([
      { atMs: NOW - 1_000, shard: 'keys-db-1', from: 'producer-1', to: 'producer-2', epoch: null, freeMs: 0 },
    ]);
    expect(spansOf(events, next, NOW).map(({ owner }) => owner)).to.deep.equal(['producer-1', 'producer-2']);
  });

  it('what several processes tell is listed once', () => {
    const timeline = new Timeline(() => NOW);
    for (const lateMs of [0, 130, 700]) {
      timeline.add(lockEvents([lock('producer-1', 60_000)], [lock(null, 0)], NOW - 5_000 + lateMs));
      timeline.add([storeEvent('away', 'redis-2', 'does not answer', NOW - 5_000 + lateMs)]);
    }
    expect(timeline.all().map(({ kind, atMs }) => [kind, atMs - NOW])).to.deep.equal([
      ['freed', -5_000],
      ['away', -5_000],
    ]);
  });

  it('is bounded in time and number', () => {
    let now = NOW;
    const timeline = new Timeline(() => now);
    for (let count = 0; count < 5_000; count += 1)
      timeline.add([storeEvent('back', `store-${count}`, 'answers again', NOW - count)]);
    expect(timeline.all()).to.have.length.within(1_990, 2_000);
    now += TIMELINE_MS + 1;
    expect(timeline.all()).to.deep.equal([]);
  });

  it('a clock that is ahead: nothing has happened later than now, and nothing stays for ever', () => {
    let now = NOW;
    const timeline = new Timeline(() => now);
    const ahead = storeEvent('away', 'redis-1', 'does not answer', NOW + 2 * TIMELINE_MS);
    timeline.add([ahead]);
    now += 2_000;
    timeline.add([ahead]);
    expect(timeline.all().map(({ atMs }) => atMs - NOW)).to.deep.equal([0]);
    expect(newsOf(timeline.all(), NOW, [])).to.deep.equal([]);
    now += TIMELINE_MS;
    expect(timeline.all()).to.deep.equal([]);
  });

  it('says aloud what another process has told late, and says it once', () => {
    const timeline = new Timeline(() => NOW);
    const { mark } = timeline.after();
    // We have drawn since it happened there, and see it ourselves a moment later.
    timeline.add([storeEvent('wiped', 'ZooKeeper', 'has lost its ensemble id', NOW - 30)]);
    timeline.add([storeEvent('wiped', 'ZooKeeper', 'has lost its ensemble id', NOW)]);
    const told = timeline.after(mark);
    expect(newsOf(timeline.all(), NOW - 10, told.events)).to.deep.equal([
      'ZooKeeper has lost its ensemble id',
    ]);
    expect(newsOf(timeline.all(), NOW, timeline.after(told.mark).events)).to.deep.equal([]);
  });

  it('tells an asker only what it does not have, also when that is older', () => {
    const timeline = new Timeline(() => NOW);
    timeline.add([storeEvent('away', 'redis-1', 'does not answer', NOW - 5)]);
    const first = timeline.after();
    expect(first.events).to.have.length(1);
    expect(timeline.after(first.mark)).to.deep.equal({ events: [], mark: first.mark });
    const late = storeEvent('away', 'redis-2', 'does not answer', NOW - 60_000);
    timeline.add([late]);
    expect(timeline.after(first.mark).events).to.deep.equal([late]);
    for (const mark of ['', 'of another run 7', new Timeline(() => NOW).after().mark])
      expect(timeline.after(mark).events).to.have.length(2);
  });

  it('lists the newest changes, and says how many are older', () => {
    const events = Array.from({ length: 22 }, (_, at) =>
      storeEvent('away', `redis-${at}`, 'does not answer', NOW - at),
    );
    const textOf = (count: number): string => eventsBlock(events.slice(0, count)).frame([]).text;
    expect(textOf(20)).not.to.contain('not listed');
    expect(textOf(21)).to.contain('1 older change is not listed.');
    expect(textOf(22)).to.contain('2 older changes are not listed.');
  });

  it('reads only events from what another process sends', () => {
    const good = storeEvent('away', 'redis-1', 'does not answer', NOW);
    const bad = [null, 7, {}, { ...good, kind: 'x' }, { ...good, atMs: 'now' }, { ...good, subject: null }];
    expect(parseEvents([...bad, good])).to.deep.equal([good]);
    expect(parseEvents('no list')).to.deep.equal([]);
    expect(parseEvents([{ ...good, what: '<b>'.repeat(1_000) }])[0]?.what).to.have.length(300);
  });
});
