import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { ClickFlush } from '../../../db/clicks/click-flush.ts';
import type { ClicksDb } from '../../../db/clicks/clicks-db.ts';
import { clicksIn } from '../../../db/clicks/merge-clicks.ts';
import { ClickLedger } from '../../../mapper/clicks/click-ledger.ts';
import { HeldValues } from '../../../mapper/clicks/held-values.ts';
import { LinkCounts } from '../../../mapper/clicks/link-counts.ts';
import { labelOf } from '../../../mapper/clicks/resolved-click.ts';
import { createLog } from '../../../runtime/log.ts';

const HOUR = 24 * 20_000;
const held = new HeldValues(100_000);

describe('the links that are listed for a flush', () => {
  let flushes: ClickFlush[];
  let isUp: boolean;
  let stripped: number;
  let ledger: ClickLedger;

  beforeEach(() => {
    [flushes, isUp, stripped] = [[], true, 0];
    ledger = open(10_000);
  });

  function open(maxKeys: number, maxBytes?: number): ClickLedger {
    const add: ClicksDb['add'] = async (flush) => {
      flushes.push(flush);
      return 'added';
    };
    return new ClickLedger({
      db: { name: 'urls-1', add } as ClicksDb,
      isUp: () => isUp,
      source: 'mapper-1/listed',
      maxKeys,
      ...(maxBytes !== undefined && { maxBytes }),
      onStored: () => undefined,
      onDropped: () => expect.fail('clicks were dropped'),
      onStripped: (clicks) => (stripped += clicks),
      log: createLog('test', 'clicks', 'silent'),
    });
  }

  function follow(link: LinkCounts, value: string): void {
    if (!link.isListed) {
      link.list(1);
      ledger.list(link);
    }
    link.count({ isBot: false, labels: [labelOf('referrer', value)], visitor: undefined });
  }

  function linksOf(count: number): LinkCounts[] {
    return Array.from({ length: count }, (_, n) => new LinkCounts(`key-${n}`, HOUR, held));
  }

  function stored(): number {
    return flushes.flatMap(({ links }) => links).reduce((sum, link) => sum + clicksIn(link), 0);
  }

  it('are taken with all clicks up to then, each once in a flush, however often they are followed meanwhile', async () => {
    const links = linksOf(400);
    let clicks = 0;
    const followAll = (): void => {
      for (const link of links) follow(link, `${(clicks += 1) % 5}.example`);
    };
    followAll();
    void ledger.flush();
    for (let turns = 0; turns < 20; turns += 1) {
      followAll();
      // What was listed since is due too.
      if (turns % 3 === 0) void ledger.flush();
      await nextTurn();
    }
    await ledger.flush();
    expect([stored(), ledger.size]).to.deep.equal([clicks, 0]);
    expect(flushes.length).to.be.above(2);
    for (const { links: ofFlush } of flushes)
      expect(new Set(ofFlush.map(({ key }) => key)).size).to.equal(ofFlush.length);
  });

  it('wait for the flush after those that are due', async () => {
    const [first, second] = linksOf(2) as [LinkCounts, LinkCounts];
    follow(first, 'a.example');
    const flushing = ledger.flush();
    follow(second, 'a.example');
    await flushing;
    expect(flushes.map(({ links }) => links.map(({ key }) => key))).to.deep.equal([['key-0']]);
    expect(ledger.size).to.equal(1);
    await ledger.flush();
    expect(stored()).to.equal(2);
  });

  it('are set aside while the server is down, where they lose dimensions beyond a bound, and no click', async () => {
    ledger = open(1_000, 20_000);
    const links = linksOf(100);
    isUp = false;
    for (let round = 0; round < 5; round += 1) {
      for (const link of links) follow(link, `${round}.example`);
      await ledger.flush();
    }
    expect(ledger.size).to.equal(100);
    expect(stripped).to.be.within(100, 499);
    isUp = true;
    await ledger.flush();
    expect(stored()).to.equal(500);
  });

  it('lose no click of the hour before when as many keys wait as may', async () => {
    ledger = open(3);
    const links = linksOf(3);
    for (const link of links) follow(link, 'a.example');
    expect(ledger.mayList('another')).to.equal(false);
    for (const link of links) {
      ledger.add(link.take());
      link.turnTo(HOUR + 1);
      follow(link, 'a.example');
    }
    await ledger.flush();
    expect(stored()).to.equal(6);
  });
});
