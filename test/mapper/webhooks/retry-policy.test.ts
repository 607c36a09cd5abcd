import { expect } from 'chai';
import { pauseAfter, switchedOffIfFailingSince } from '../../../mapper/webhooks/retry-policy.ts';

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];
const DAY = 24 * HOUR;

/** When a delivery is tried, in ms after the event, if every attempt fails immediately. */
function attemptsOf(retryMs: number, random = 0.5): number[] {
  const times = [0];
  for (let attempts = 1; attempts < 100; attempts += 1) {
    const ageMs = times.at(-1) as number;
    const pauseMs = pauseAfter({ attempts, ageMs, retryMs, random });
    if (pauseMs === undefined) return times;
    times.push(ageMs + pauseMs);
  }
  return expect.fail('it never ends');
}

describe('the pauses between attempts', () => {
  for (const [attempts, pause] of [
    [1, 5 * SECOND],
    [2, 30 * SECOND],
    [3, 2 * MINUTE],
    [6, HOUR],
    [10, 6 * HOUR],
    [50, 6 * HOUR],
  ] as const)
    it(`is ${pause / SECOND} s after ${attempts} failed attempts`, () => {
      expect(pauseAfter({ attempts, ageMs: 0, retryMs: DAY, random: 0.5 })).to.be.closeTo(pause, 1);
    });

  it('vary by a fifth', () => {
    for (const [random, seconds] of [
      [0, 4],
      [1, 6],
    ] as const)
      expect(pauseAfter({ attempts: 1, ageMs: 0, retryMs: DAY, random })).to.be.closeTo(seconds * SECOND, 1);
  });

  for (const random of [0, 0.5, 0.999])
    it(`grow, and the last attempt is after a day (random ${random})`, () => {
      const times = attemptsOf(DAY, random);
      expect(times.at(-1)).to.equal(DAY);
      expect(times.length).to.be.within(11, 15);
      const pauses = times.slice(1, -1).map((time, index) => time - (times[index] as number));
      expect(pauses).to.deep.equal(pauses.toSorted((a, b) => a - b));
    });

  it('are shares of the whole time', () => {
    const scaled = attemptsOf(DAY / 60).map((time) => Math.round(time * 60));
    expect(scaled).to.deep.equal(attemptsOf(DAY).map((time) => Math.round(time)));
  });

  it('end when the time is over, also for the first attempt', () => {
    expect(pauseAfter({ attempts: 1, ageMs: DAY, retryMs: DAY, random: 0 })).to.equal(undefined);
    expect(pauseAfter({ attempts: 1, ageMs: DAY - 1, retryMs: DAY, random: 0 })).to.equal(1);
  });

  it('are followed by the end of the webhook only if it has failed all the time', () => {
    const before = switchedOffIfFailingSince(DAY, DAY).getTime();
    expect(before).to.be.within(MINUTE, 3 * HOUR);
  });
});
