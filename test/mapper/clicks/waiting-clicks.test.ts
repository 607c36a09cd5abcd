import { expect } from 'chai';
import type { ValueClicks } from '../../../db/clicks/click-flush.ts';
import { WaitingClicks } from '../../../mapper/clicks/waiting-clicks.ts';
import { clicksOf, dayAt, sketchOf } from '../../db/clicks-fixture.ts';

const DAY = dayAt('2026-11-23');

function valueOf(value: string, humans: number, day = DAY): ValueClicks {
  return { day, dimension: 'referrer', value, humans, bots: 1 };
}

describe('the clicks of a link that wait', () => {
  it('are the sums of all that was added, and what was added stays as it was', () => {
    const first = clicksOf('key', {
      values: [valueOf('a', 1), valueOf('b', 2)],
      visitors: [{ day: DAY, sketch: sketchOf(1, 2) }],
    });
    const waiting = new WaitingClicks(first);
    waiting.add(
      clicksOf('key', {
        humans: 3,
        values: [valueOf('b', 5), valueOf('a', 7, DAY + 1), valueOf('c', 9)],
        visitors: [
          { day: DAY, sketch: sketchOf(2, 3) },
          { day: DAY + 1, sketch: sketchOf(4) },
        ],
      }),
    );
    waiting.add(clicksOf('key', { at: '2026-11-23T11:00Z', values: [valueOf('a', 1, DAY + 1)] }));
    const { clicks } = waiting;
    expect(clicks.hours.map(({ humans }) => humans)).to.deep.equal([4, 1]);
    expect(clicks.values).to.deep.equal([
      valueOf('a', 1),
      { ...valueOf('b', 7), bots: 2 },
      { ...valueOf('a', 8, DAY + 1), bots: 2 },
      valueOf('c', 9),
    ]);
    expect(clicks.visitors.map(({ day, sketch }) => [day, sketch.estimate()])).to.deep.equal([
      [DAY, 3],
      [DAY + 1, 1],
    ]);
    expect(first.values).to.deep.equal([valueOf('a', 1), valueOf('b', 2)]);
    expect(first.visitors[0]?.sketch.estimate()).to.equal(2);
    expect(first.hours[0]?.humans).to.equal(1);
  });

  it('are not made again when more is added: thousands wait while a server is away', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => valueOf(`${index}`, 1));
    const waiting = new WaitingClicks(clicksOf('key', { values: many }));
    waiting.add(clicksOf('key'));
    const { values } = waiting.clicks;
    const before = waiting.bytes;
    waiting.add(clicksOf('key', { values: [valueOf('5', 1), valueOf('new', 1)] }));
    expect(waiting.clicks.values).to.equal(values);
    expect(values).to.have.length(1_001);
    expect(waiting.bytes).to.equal(before + 250);
  });
});
