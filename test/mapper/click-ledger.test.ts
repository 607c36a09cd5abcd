import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import type { LinkClicks, ValueClicks } from '../../db/clicks/click-flush.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { StoreRefusedError, StoreUnavailableError } from '../../db/store-errors.ts';
import { ClickLedger } from '../../mapper/clicks/click-ledger.ts';
import { countNext, isRefusedForGood, splitRefused } from '../../mapper/clicks/flush-parts.ts';
import { createLog } from '../../runtime/log.ts';
import { bindOwned, clearClicks, clicksOf, dayAt, rowsOf, sketchOf } from '../db/clicks-fixture.ts';
import { emptyUrlsDatabase } from '../db/urls-fixture.ts';

const log = createLog('test', 'clicks', 'silent');

function valueOf(value: string): ValueClicks {
  return { day: dayAt('2026-11-23'), dimension: 'referrer', value, humans: 1, bots: 0 };
}

describe('the parts of a flush', () => {
  it('are as many links as the server stores in some milliseconds, and at least one', () => {
    const few = Array.from({ length: 600 }, (_, index) => clicksOf(`k${index}`));
    expect(countNext(few)).to.equal(500);
    const many = clicksOf('x', { values: Array.from({ length: 499 }, (_, index) => valueOf(`${index}`)) });
    expect(countNext([many, many, many])).to.equal(2);
    expect(countNext([{ ...many, values: [...many.values, ...many.values, ...many.values] }])).to.equal(1);
    expect(countNext([])).to.equal(0);
  });

  it('are the halves of what was refused, then a link without dimensions, then nothing', () => {
    const [a, b, c] = [clicksOf('a'), clicksOf('b'), clicksOf('c', { values: [valueOf('x')] })];
    expect(splitRefused([a, b, c])).to.deep.equal([[a, b], [c]]);
    expect(splitRefused([c])).to.deep.equal([[{ ...c, values: [] }]]);
    expect(splitRefused([a])).to.deep.equal([]);
    expect(splitRefused([])).to.deep.equal([]);
  });

  it('are made only when the content is refused, and not when a server is away or forbids', () => {
    const refused = (code: string): Error =>
      new StoreRefusedError('urls-1', code, Object.assign(new Error(code), { code }));
    expect(isRefusedForGood(refused('ER_DATA_TOO_LONG'))).to.equal(true);
    for (const code of ['ER_TABLEACCESS_DENIED_ERROR', 'ER_PARSE_ERROR', 'ER_BAD_NULL_ERROR'])
      expect(isRefusedForGood(refused(code)), code).to.equal(false);
    expect(isRefusedForGood(new StoreUnavailableError('urls-1', 'away'))).to.equal(false);
  });
});

describe('the clicks that wait for a urls server', () => {
  let sql: Mysql;
  let db: ClicksDb;
  let url: string;
  let dropped: number;
  let stripped: number;
  let isUp: boolean;

  before(async () => {
    url = await emptyUrlsDatabase();
    sql = openMysql(url, { name: 'test' });
  });

  after(async () => sql.close());

  beforeEach(async () => {
    await clearClicks(sql);
    db = openClicksDb({ name: 'urls-1', url });
    [dropped, stripped, isUp] = [0, 0, true];
  });

  afterEach(async () => db.close());

  function open(options: { maxBytes?: number; db?: ClicksDb } = {}): ClickLedger {
    return new ClickLedger({
      db,
      isUp: () => isUp,
      source: 'mapper-1/ledger',
      maxKeys: 1_000,
      onStored: () => undefined,
      onDropped: (clicks) => (dropped += clicks),
      onStripped: (clicks) => (stripped += clicks),
      log,
      ...options,
    });
  }

  it('are stored for all links but the one that the server refuses for good, which alone is dropped', async () => {
    const ledger = open();
    const tooLong = 'k'.repeat(300);
    const links: LinkClicks[] = Array.from({ length: 20 }, (_, index) => clicksOf(`key-${index}`));
    for (const link of links) ledger.add(link);
    ledger.add(clicksOf(tooLong, { humans: 7 }));
    ledger.add(clicksOf('wide', { humans: 2, values: [valueOf('h'.repeat(256))] }));
    await ledger.flush();
    expect(ledger.size).to.equal(0);
    expect([dropped, stripped]).to.deep.equal([7, 2]);
    expect(await rowsOf(sql, 'click_totals')).to.deep.equal(
      [...links.map(({ key }) => [key, 1, 0]), ['wide', 2, 0]].toSorted((a, b) =>
        String(a[0]) < String(b[0]) ? -1 : 1,
      ),
    );
    ledger.add(clicksOf('wide'));
    await ledger.flush();
    expect((await db.of('wide')).total).to.equal(3);
  });

  it('are taken apart with rests, so that those who wait for the server come first', async () => {
    const tookMs = 4;
    let sent = 0;
    const refuse = async (): Promise<never> => {
      sent += 1;
      await setTimeout(tookMs);
      throw new StoreRefusedError('urls-1', 'x', Object.assign(new Error('x'), { code: 'ER_DATA_TOO_LONG' }));
    };
    const ledger = open({ db: { name: 'urls-1', add: refuse } as unknown as ClicksDb });
    for (let n = 0; n < 8; n += 1) ledger.add(clicksOf(`key-${n}`));
    const startedMs = performance.now();
    await ledger.flush();
    expect([sent, dropped]).to.deep.equal([15, 8]);
    expect(performance.now() - startedMs).to.be.above(14 * 4 * tookMs);
  });

  for (const [whose, links] of [
    ['that came during a slow part of a flush', 1],
    ['left of a flush that has not ended when the next one is due', 600],
  ] as const) {
    it(`are stored without a rest: those ${whose}`, async () => {
      const added: { readonly fromMs: number; readonly toMs: number }[] = [];
      const { promise: isSending, resolve: onSending } = Promise.withResolvers<void>();
      const { promise: hasStored, resolve: onStored } = Promise.withResolvers<void>();
      const slow: Pick<ClicksDb, 'name' | 'add'> = {
        name: 'urls-1',
        add: async (flush) => {
          const fromMs = performance.now();
          onSending();
          await setTimeout(300);
          const outcome = await db.add(flush);
          added.push({ fromMs, toMs: performance.now() });
          onStored();
          return outcome;
        },
      };
      const ledger = open({ db: slow as ClicksDb });
      for (let n = 0; n < links; n += 1) ledger.add(clicksOf(`key-${n}`));
      const flushing = ledger.flush();
      await (links === 1 ? isSending : hasStored);
      if (links === 1) ledger.add(clicksOf('later'));
      void ledger.flush();
      await flushing;
      const [first, second] = added as [(typeof added)[0], (typeof added)[0]];
      expect(ledger.size).to.equal(0);
      expect(second.fromMs - first.toMs).to.be.below(first.toMs - first.fromMs);
    });
  }

  it('are merged by link, and lose dimensions beyond a bound of memory, but no click', async () => {
    await bindOwned(sql, 'key', 7_001n);
    isUp = false;
    const ledger = open({ maxBytes: 5_000 });
    const day = dayAt('2026-11-23');
    for (let time = 0; time < 100; time += 1)
      ledger.add(
        clicksOf('key', {
          values: [valueOf(`${time}.example`)],
          visitors: [{ day, sketch: sketchOf(time) }],
        }),
      );
    expect(stripped).to.be.within(50, 95);
    await ledger.flush();
    isUp = true;
    await ledger.flush();
    for (const table of ['click_hours', 'owner_hours'])
      expect((await rowsOf(sql, table)).map((row) => row.slice(2))).to.deep.equal([[100, 0]]);
    for (const table of ['click_values', 'owner_values'])
      expect((await rowsOf(sql, table)).filter((row) => row[1] === 1)).to.have.length(100 - stripped);
    expect(dropped).to.equal(0);
  });
});
