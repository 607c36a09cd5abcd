import { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { ClickLedger } from '../../mapper/clicks/click-ledger.ts';
import { ClickCounter, type ClickCounterOptions, type ClickedRequest } from '../../mapper/clicks/clicks.ts';
import { labelOf, type ResolvedClick } from '../../mapper/clicks/resolved-click.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import { pause } from '../../runtime/retry.ts';
import { emptyUrlsDatabase } from '../db/urls-fixture.ts';
import { until } from '../until.ts';

const REQUEST: ClickedRequest = { head: '', headStart: 0, peer: new Socket() };

const log = createLog('test', 'clicks', 'silent');
const MIDNIGHT = Date.parse('2026-11-24T00:00:00Z');

describe('a click counter', () => {
  let db: ClicksDb;
  let isUp: boolean;
  let now: number;
  let dropped: number;
  let ledger: ClickLedger;

  beforeEach(async () => {
    db = openClicksDb({ name: 'urls-1', url: await emptyUrlsDatabase() });
    isUp = true;
    now = MIDNIGHT - 1;
    dropped = 0;
  });

  afterEach(async () => {
    await db.close();
  });

  function openCounter(
    maxKeys: number,
    flushMs: number,
    reading: Pick<ClickCounterOptions, 'resolve' | 'onUnresolved'> = {},
  ): ClickCounter {
    const onDropped = (clicks: number): void => void (dropped += clicks);
    const source = 'mapper-1/counter';
    ledger = new ClickLedger({
      db,
      isUp: () => isUp,
      source,
      maxKeys,
      onStored: () => undefined,
      onDropped,
      log,
    });
    return new ClickCounter({
      ledgers: [ledger],
      ledgerFor: () => ledger,
      flushMs,
      maxKeys,
      onDropped,
      ...reading,
      now: () => now,
    });
  }

  it('keeps a bounded number of keys while the store is down, drops others, and stores those it kept', async () => {
    const counter = openCounter(100, 5);
    isUp = false;
    for (let round = 0; round < 3; round += 1) {
      for (let key = 0; key < 1_000; key += 1) counter.count(`key-${key}`, REQUEST);
      // The ledger holds 100 by now, and refuses all others.
      await until('the hand-over', () => counter.size === 100 && ledger.size === 100);
    }
    expect(dropped).to.be.at.least(2_400);
    isUp = true;
    await until('everything to be stored', () => counter.size === 0);
    let kept = 0;
    for (let key = 0; key < 1_000; key += 1) kept += (await db.of(`key-${key}`)).total;
    expect(kept + dropped).to.equal(3_000);
    expect(await counter.close()).to.equal(0);
  }).timeout(60_000);

  it('stores early when many keys were counted, and more keys than one INSERT holds', async () => {
    const counter = openCounter(5_000, 60_000);
    for (let key = 0; key < 2_500; key += 1) counter.count(`key-${key}`, REQUEST);
    await until('an early flush', () => counter.size === 0);
    for (const key of [0, 1_234, 2_499]) expect((await db.of(`key-${key}`)).total).to.equal(1);
    expect(dropped).to.equal(0);
    await counter.close();
  });

  interface Add {
    readonly fromMs: number;
    readonly toMs: number;
  }

  /** Makes each INSERT take `ms` longer. */
  function slowDown(ms: number): Add[] {
    const adds: Add[] = [];
    const add = db.add.bind(db);
    db.add = async (flush) => {
      const fromMs = monotonicMs();
      await pause(ms);
      const outcome = await add(flush);
      adds.push({ fromMs, toMs: monotonicMs() });
      return outcome;
    };
    return adds;
  }

  function restsOf(adds: readonly Add[]): number[] {
    return adds.slice(1).map(({ fromMs }, i) => fromMs - (adds[i]?.toMs ?? 0));
  }

  it('rests between INSERTs, because no client waits for them', async () => {
    const adds = slowDown(20);
    const counter = openCounter(4_000, 60_000);
    // The first flush of all is over. Half of its keys begin another; a third one would end the rests.
    await nextTurn();
    for (let key = 0; key < 2_000; key += 1) counter.count(`key-${key}`, REQUEST);
    await until('everything to be stored', () => counter.size === 0);
    expect(adds).to.have.length(4);
    for (const rest of restsOf(adds)) expect(rest).to.be.at.least(70);
    await counter.close();
  });

  it('does not rest while half of the keys it may hold wait, nor when it is closed', async () => {
    const adds = slowDown(100);
    const counter = openCounter(3_000, 5);
    for (let key = 0; key < 3_000; key += 1) counter.count(`key-${key}`, REQUEST);
    await until('less than half to wait', () => adds.length === 4);
    await until('a rest', () => ledger.size === 1_000);
    const closedMs = monotonicMs();
    expect(await counter.close()).to.equal(0);
    expect(monotonicMs() - closedMs).to.be.lessThan(700);
    for (const rest of restsOf(adds).slice(0, 3)) expect(rest).to.be.lessThan(200);
    expect((await db.of('key-2999')).total).to.equal(1);
  });

  it('counts for the UTC day in which an interval begins', async () => {
    const counter = openCounter(100, 5);
    counter.count('midnight', REQUEST);
    await until('the first day', async () => (await db.of('midnight')).total === 1);
    now = MIDNIGHT;
    const isTomorrow = async (): Promise<boolean> => {
      counter.count('midnight', REQUEST);
      return (await db.of('midnight')).days.length === 2;
    };
    await until('the second day', isTomorrow);
    await counter.close();
    expect((await db.of('midnight')).days.map(({ day }) => day)).to.deep.equal(['2026-11-23', '2026-11-24']);
  });

  it('counts clicks that are read together for the days on which they came', async () => {
    const counter = openCounter(100, 60_000, {
      resolve: () => ({ isBot: false, labels: [], visitor: undefined }),
    });
    for (const [key, atMs] of [
      ['one', MIDNIGHT - 1],
      ['other', MIDNIGHT - 1],
      ['one', MIDNIGHT - 1],
      ['one', MIDNIGHT],
      ['other', MIDNIGHT - 1],
      ['one', MIDNIGHT],
    ] as const) {
      now = atMs;
      counter.count(key, REQUEST);
    }
    expect(await counter.close()).to.equal(0);
    const daysOf = async (key: string): Promise<unknown> =>
      (await db.of(key)).days.map(({ day, humans }) => [day, humans]);
    expect(await daysOf('one')).to.deep.equal([
      ['2026-11-23', 2],
      ['2026-11-24', 2],
    ]);
    expect(await daysOf('other')).to.deep.equal([['2026-11-23', 2]]);
  });

  it('counts clicks without their headers when too many wait, and says how many', async () => {
    let unresolved = 0;
    const heard: string[] = [];
    const counter = openCounter(100, 60_000, {
      resolve: () => ({ isBot: true, labels: [labelOf('browser', 'Chrome')], visitor: undefined }),
      onUnresolved: () => (unresolved += 1),
    });
    counter.listen({
      wanted: new Set(['hot']),
      onClicks: (clicks) => heard.push(...clicks.map(({ browser }) => browser)),
    });
    const CLICKS = 20_000;
    for (let click = 0; click < CLICKS; click += 1) counter.count('hot', REQUEST);
    for (let click = 0; click < 5; click += 1) counter.count('cold', REQUEST);
    expect(await counter.close()).to.equal(0);
    const { days } = await db.of('hot');
    expect(unresolved).to.be.within(1_000, CLICKS - 1_000);
    expect(days.map(({ humans, bots }) => [humans, bots])).to.deep.equal([
      [unresolved - 5, CLICKS - unresolved + 5],
    ]);
    expect(heard).to.have.length(CLICKS);
    expect(heard.filter((browser) => browser === 'Chrome')).to.have.length(CLICKS - unresolved + 5);
  });

  it('lets others hear of clicks of the links that they want', async () => {
    const heard: ResolvedClick[] = [];
    const counter = openCounter(100, 60_000, {
      resolve: ({ head }) => ({ isBot: false, labels: [labelOf('country', head)], visitor: undefined }),
    });
    const wanted = new Set(['wanted']);
    counter.listen({ wanted, onClicks: (clicks) => heard.push(...clicks) });
    for (const [key, head] of [
      ['wanted', 'DE'],
      ['other', 'FR'],
      ['wanted', 'CH'],
    ] as const)
      counter.count(key, { ...REQUEST, head });
    await until('two clicks', () => heard.length === 2);
    wanted.add('other');
    counter.count('other', { ...REQUEST, head: 'US' });
    await until('a third click', () => heard.length === 3);
    expect(heard.map(({ key, country, atMs }) => [key, country, atMs])).to.deep.equal([
      ['wanted', 'DE', now],
      ['wanted', 'CH', now],
      ['other', 'US', now],
    ]);
    await counter.close();
  });

  it('reports how many keys it could not store at its end', async () => {
    const counter = openCounter(100, 60_000);
    isUp = false;
    counter.count('lost', REQUEST);
    counter.count('lost', REQUEST);
    expect(await counter.close()).to.equal(1);
  });
});
