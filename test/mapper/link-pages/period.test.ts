import { expect } from 'chai';
import { periodOf } from '../../../mapper/link-pages/period.ts';

const NOW = Date.parse('2026-11-28T23:30:00Z');
const MADE = new Date('2026-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

function dayOf(date: string): number {
  return Date.parse(`${date}T00:00:00Z`) / DAY_MS;
}

describe('the period of a page with statistics', () => {
  for (const [period, tz, unit, from] of [
    [undefined, undefined, 'day', { day: dayOf('2026-10-30') }],
    ['7d', 'UTC', 'day', { day: dayOf('2026-11-22') }],
    ['7d', 'Europe/Berlin', 'day', { day: dayOf('2026-11-23') }],
    ['90d', 'UTC', 'day', { day: dayOf('2026-08-31') }],
    ['12m', 'UTC', 'month', { day: dayOf('2025-12-01') }],
    ['24h', 'UTC', 'hour', { at: new Date('2026-11-28T00:00:00Z') }],
    ['all', 'UTC', 'month', undefined],
    ['__proto__', 'UTC', 'day', { day: dayOf('2026-10-30') }],
  ] as const)
    it(`${period} in ${tz} has ${unit}s`, () => {
      const { asked, zoneFault } = periodOf({ period, tz }, MADE, NOW);
      expect(asked('country')).to.deep.equal({ ...(from && { from }), unit, by: 'country', tz: tz ?? 'UTC' });
      expect(zoneFault).to.equal(undefined);
    });

  it('of a young link has days, also for all time', () => {
    expect(periodOf({ period: 'all' }, new Date(NOW - 5 * DAY_MS), NOW).unit).to.equal('day');
  });

  it('is UTC where the zone is made up, and says so', () => {
    for (const tz of ['Mars/Olympus', '', '<b>', 'x'.repeat(10_000)]) {
      const { zone, zoneFault } = periodOf({ tz }, MADE, NOW);
      expect([zone, typeof zoneFault]).to.deep.equal(['UTC', 'string']);
    }
  });
});
