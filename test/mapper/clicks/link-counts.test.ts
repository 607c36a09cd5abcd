import { expect } from 'chai';
import * as fc from 'fast-check';
import type { ValueClicks } from '../../../db/clicks/click-flush.ts';
import { MAX_VALUES, OTHER_VALUES } from '../../../db/clicks/dimensions.ts';
import { HeldValues } from '../../../mapper/clicks/held-values.ts';
import { LinkCounts } from '../../../mapper/clicks/link-counts.ts';
import { labelOf, type ClickDimension, type Resolved } from '../../../mapper/clicks/resolved-click.ts';

const HOUR = 24 * 20_000;
const DAY = 20_000;

/** @param maxValues how many values it may remember */
function linkOf(hour: number, maxValues = 10_000): LinkCounts {
  return new LinkCounts('key', hour, new HeldValues(maxValues));
}

function click(dimension: ClickDimension, value: string, isBot = false): Resolved {
  return { isBot, labels: [labelOf(dimension, value)], visitor: undefined };
}

function valuesOf(values: readonly ValueClicks[]): Record<string, [number, number]> {
  return Object.fromEntries(
    values.map(({ dimension, value, humans, bots }) => [`${dimension} ${value}`, [humans, bots]]),
  );
}

describe('the counts of a link', () => {
  it('are given once, for their hour and its day', () => {
    const link = linkOf(HOUR + 23);
    link.count({ ...click('browser', 'Chrome'), visitor: { high: 1, low: 1 } });
    link.count(click('browser', 'Chrome', true));
    const { key, hours, values, visitors } = link.take();
    expect({ key, hours, values }).to.deep.equal({
      key: 'key',
      hours: [{ hour: HOUR + 23, humans: 1, bots: 1 }],
      values: [{ day: DAY, dimension: 'browser', value: 'Chrome', humans: 1, bots: 1 }],
    });
    expect(visitors.map(({ day, sketch }) => [day, sketch.estimate()])).to.deep.equal([[DAY, 1]]);
    expect(link.isEmpty).to.equal(true);
    link.count(click('browser', 'Firefox'));
    expect(valuesOf(link.take().values)).to.deep.equal({ 'browser Firefox': [1, 0] });
  });

  it('tell 200 values of a dimension and day apart, however often they are taken', () => {
    const link = linkOf(HOUR);
    const told = new Set<string>();
    let others = 0;
    for (let i = 0; i < 1_000; i += 1) {
      link.count(click('referrer', `${i % 500}.example`));
      link.count(click('country', i % 2 === 0 ? 'DE' : 'FR'));
      if (i % 7 !== 0) continue;
      for (const { dimension, value, humans } of link.take().values) {
        if (dimension === 'country') continue;
        if (value === OTHER_VALUES) others += humans;
        else told.add(value);
      }
    }
    expect(told.size).to.equal(MAX_VALUES);
    expect(others).to.be.within(590, 600);
    expect(valuesOf(link.take().values)).to.have.keys([
      `referrer ${OTHER_VALUES}`,
      'country DE',
      'country FR',
    ]);
    link.turnTo(HOUR + 24);
    link.count(click('referrer', 'new.example'));
    expect(valuesOf(link.take().values)).to.deep.equal({ 'referrer new.example': [1, 0] });
  });

  it('tell no further values apart where there is no memory for them', () => {
    const link = linkOf(HOUR, 1);
    link.count(click('referrer', 'a.example'));
    link.count(click('referrer', 'b.example'));
    link.count(click('referrer', 'a.example'));
    expect(valuesOf(link.take().values)).to.deep.equal({
      'referrer a.example': [2, 0],
      [`referrer ${OTHER_VALUES}`]: [1, 0],
    });
  });

  it('have every click in each dimension, whatever values come', () => {
    const values = fc.array(fc.tuple(fc.nat(400), fc.boolean(), fc.boolean()), { maxLength: 1_500 });
    fc.assert(
      fc.property(values, (clicks) => {
        const link = linkOf(HOUR);
        const sums = { humans: 0, bots: 0 };
        const taken: ValueClicks[] = [];
        for (const [value, isBot, isTaken] of clicks) {
          link.count(click('language', `x${value}`, isBot));
          sums[isBot ? 'bots' : 'humans'] += 1;
          if (isTaken) taken.push(...link.take().values);
        }
        taken.push(...link.take().values);
        expect(taken.reduce((sum, { humans }) => sum + humans, 0)).to.equal(sums.humans);
        expect(taken.reduce((sum, { bots }) => sum + bots, 0)).to.equal(sums.bots);
      }),
      { numRuns: 20 },
    );
  });

  it('do not count what nothing is known of: it is what is left of all clicks', () => {
    const link = linkOf(HOUR);
    link.count(click('country', '', false));
    link.count(click('country', 'ES', false));
    const { hours, values } = link.take();
    expect(hours).to.deep.equal([{ hour: HOUR, humans: 2, bots: 0 }]);
    expect(valuesOf(values)).to.deep.equal({ 'country ES': [1, 0] });
  });

  it('tell values apart whose labels have the same hash', () => {
    const byHash = new Map<number, string>();
    const alike: string[] = [];
    for (let i = 0; alike.length < 6; i += 1) {
      const value = `${i}.example`;
      const { hash } = labelOf('referrer', value);
      const before = byHash.get(hash);
      if (before !== undefined) alike.push(before, value);
      byHash.set(hash, value);
    }
    const link = linkOf(HOUR);
    // With a few values, each is looked at; with many, a table finds them.
    for (const values of [alike, [...alike, ...Array.from({ length: 50 }, (_, i) => `x${i}`), ...alike]]) {
      for (const value of values) link.count(click('referrer', value));
      const counted = valuesOf(link.take().values);
      for (const value of alike)
        expect(counted[`referrer ${value}`]).to.deep.equal([values === alike ? 1 : 2, 0]);
    }
  });
});
