import { expect } from 'chai';
import { firstDayOf, monthOfDay, Zone } from '../../../mapper/statistics/zone.ts';

const UNTIL = Date.UTC(2030, 0, 1);
const DAY_MS = 86_400_000;

function zone(name: string): Zone {
  return Zone.find(name, UNTIL) ?? expect.fail(`no zone ${name}`);
}

function dayNumber(date: string): number {
  return Date.parse(date) / DAY_MS;
}

describe('days of time zones', () => {
  const STARTS: readonly (readonly [zone: string, date: string, start: string])[] = [
    ['UTC', '2026-03-29', '2026-03-29T00:00:00.000Z'],
    ['+02:00', '2026-03-29', '2026-03-28T22:00:00.000Z'],
    ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00.000Z'],
    ['Europe/Berlin', '2026-03-30', '2026-03-29T22:00:00.000Z'],
    ['America/New_York', '2026-11-01', '2026-11-01T04:00:00.000Z'],
    ['America/New_York', '2026-11-02', '2026-11-02T05:00:00.000Z'],
    ['Asia/Kolkata', '2026-01-01', '2025-12-31T18:30:00.000Z'],
    // Clocks go from 24:00 to 01:00.
    ['Asia/Beirut', '2026-03-29', '2026-03-28T22:00:00.000Z'],
    // Clocks go from 24:00 back to 23:00, so 23:00 is there twice, and midnight once.
    ['America/Santiago', '2026-04-05', '2026-04-05T04:00:00.000Z'],
    // The 30th was left out.
    ['Pacific/Apia', '2011-12-30', '2011-12-30T10:00:00.000Z'],
    ['Pacific/Apia', '2011-12-31', '2011-12-30T10:00:00.000Z'],
  ];
  for (const [name, date, start] of STARTS)
    it(`${date} begins at ${start} in ${name}`, () => {
      expect(new Date(zone(name).startOfDay(dayNumber(date))).toISOString()).to.equal(start);
    });

  it('agree with the platform about every hour of two years, in zones with all kinds of clocks', () => {
    for (const name of [
      'Europe/Berlin',
      'America/Santiago',
      'Australia/Lord_Howe',
      'Africa/Casablanca',
      'Asia/Kathmandu',
    ]) {
      const own = zone(name);
      for (let at = Date.UTC(2025, 0, 1); at < Date.UTC(2027, 0, 1); at += 3_600_000 * 5) {
        const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(name);
        const day = dayNumber(local.toPlainDate().toString());
        expect(own.dayOf(at), `${name} ${at}`).to.equal(day);
        expect(own.startOfDay(day), `${name} ${at}`).to.equal(local.startOfDay().epochMilliseconds);
      }
    }
  });

  it('know months', () => {
    for (const [date, first] of [
      ['1970-01-01', '1970-01-01'],
      ['2024-02-29', '2024-02-01'],
      ['2025-12-31', '2025-12-01'],
    ] as const)
      expect(firstDayOf(monthOfDay(dayNumber(date)))).to.equal(dayNumber(first));
  });

  it('begin at full hours of UTC, or do not', () => {
    const inYear = (name: string, year: number): boolean =>
      zone(name).hasFullHours(Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1));
    expect(
      ['Europe/Berlin', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe', '-03:30'].map((name) =>
        inYear(name, 2026),
      ),
    ).to.deep.equal([true, false, false, false, false]);
    // Half an hour off until May 2016.
    expect([inYear('America/Caracas', 2016), inYear('America/Caracas', 2017)]).to.deep.equal([false, true]);
  });

  for (const name of [
    '',
    'Mars',
    'Europe',
    'Z',
    '+2',
    '2026-01-01T00:00[Europe/Berlin]',
    '+02:00:30',
    ' UTC',
    'UTC\0',
  ])
    it(`does not find ${JSON.stringify(name)}`, () => {
      expect(Zone.find(name, UNTIL)).to.equal(undefined);
    });

  it('finds a name in any case, and spells it as usual', () => {
    expect(['europe/berlin', 'utc', '+02'].map((name) => Zone.find(name, UNTIL)?.name)).to.deep.equal([
      'Europe/Berlin',
      'UTC',
      '+02:00',
    ]);
  });
});
