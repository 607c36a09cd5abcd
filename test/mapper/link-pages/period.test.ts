import { expect } from 'chai';
import { periodOf } from '../../../mapper/link-pages/period.ts';

const NOW = Date.parse('2026-11-28T23:30:00Z');
const MADE = new Date('2026-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

describe('the period of a page with statistics', () => {
  for (const [period, tz, unit, from] of [
    [undefined, undefined, 'day', '2026-10-30'],
    ['7d', 'UTC', 'day', '2026-11-22'],
    ['7d', 'Europe/Berlin', 'day', '2026-11-23'],
    ['90d', 'UTC', 'day', '2026-08-31'],
    ['12m', 'UTC', 'month', '2025-12-01'],
    ['24h', 'UTC', 'hour', '2026-11-28T00:00:00.000Z'],
    ['all', 'UTC', 'month', undefined],
    ['__proto__', 'UTC', 'day', '2026-10-30'],
  ] as const)
    it(`${period} in ${tz} has ${unit}s`, () => {
      const { query, zoneFault } = periodOf({ period, tz }, MADE, NOW);
      expect(query).to.deep.equal({
        ...(from !== undefined && { from }),
        unit,
        tz: tz ?? 'UTC',
      });
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
