import { expect } from 'chai';
import { resolveQuestion, type Asked, type Question } from '../../../mapper/statistics/question.ts';
import { toTimeItems } from '../../../mapper/statistics/time-items.ts';
import { divide, mergeValues } from '../../../mapper/statistics/value-items.ts';

const NOW = Date.UTC(2026, 10, 28, 20, 30);
const DAY_MS = 86_400_000;
const USUAL: Asked = { unit: 'day', by: 'time', tz: 'UTC' };

function dayNumber(date: string): number {
  return Date.parse(date) / DAY_MS;
}

function at(time: string): { at: Date } {
  return { at: new Date(time) };
}

function question(asked: Partial<Asked>): Question {
  const resolved = resolveQuestion({ ...USUAL, ...asked }, NOW);
  return 'question' in resolved ? resolved.question : expect.fail(resolved.error.reason);
}

/** What is read for a question: `[from, to)` of hours and of days. */
function rangeOf(asked: Partial<Asked>): string[] {
  const { fromHour, toHour, fromDay, toDay } = question(asked).range;
  const time = (ms: number): string => (ms === Infinity ? '…' : new Date(ms).toISOString());
  return [
    `${time(fromHour * 3_600_000).slice(0, 13)} ${time(toHour * 3_600_000).slice(0, 13)}`,
    `${time(fromDay * DAY_MS).slice(0, 10)} ${time(toDay * DAY_MS).slice(0, 10)}`,
  ];
}

describe('a question about clicks', () => {
  const RANGES: readonly (readonly [asked: Partial<Asked>, hours: string, days: string])[] = [
    [{}, '1970-01-01T00 …', '1970-01-01 …'],
    [
      { from: { day: dayNumber('2026-11-01') }, to: { day: dayNumber('2026-11-03') } },
      '2026-11-01T00 2026-11-03T00',
      '2026-11-01 2026-11-03',
    ],
    [
      { from: { day: dayNumber('2026-11-01') }, to: { day: dayNumber('2026-11-03') }, tz: 'Asia/Tokyo' },
      '2026-10-31T15 2026-11-02T15',
      '2026-11-01 2026-11-03',
    ],
    // Hours that the period has in part are read; so are days.
    [
      { from: at('2026-11-01T10:20:00Z'), to: at('2026-11-02T10:20:00Z') },
      '2026-11-01T10 2026-11-02T11',
      '2026-11-01 2026-11-03',
    ],
    // Values, and zones that are half an hour off, have days of UTC with the same date.
    [
      {
        from: { day: dayNumber('2026-11-01') },
        to: { day: dayNumber('2026-11-03') },
        tz: 'Asia/Tokyo',
        by: 'os',
      },
      '2026-11-01T00 2026-11-03T00',
      '2026-11-01 2026-11-03',
    ],
    [
      { from: at('2026-10-31T18:30:00Z'), to: at('2026-11-01T18:30:00Z'), tz: 'Asia/Kolkata' },
      '2026-11-01T00 2026-11-02T00',
      '2026-11-01 2026-11-02',
    ],
    [{ unit: 'hour' }, '2026-11-21T20 …', '2026-11-21 …'],
    [
      { unit: 'hour', to: at('2026-11-10T00:00:00Z') },
      '2026-11-03T00 2026-11-10T00',
      '2026-11-03 2026-11-10',
    ],
    // `unit` is about items by time.
    [{ unit: 'hour', by: 'country' }, '1970-01-01T00 …', '1970-01-01 …'],
    [{ to: at('2027-01-01T00:00:00Z') }, '1970-01-01T00 …', '1970-01-01 …'],
  ];
  for (const [asked, hours, days] of RANGES)
    it(`reads ${hours} and ${days} for ${JSON.stringify(asked)}`, () => {
      expect(rangeOf(asked)).to.deep.equal([hours, days]);
    });

  it('has the visitors of all days of UTC that it touches, and says whether it has them whole', () => {
    const days = (asked: Partial<Asked>): unknown[] => {
      const { utcDays, isOfUtcDays } = question(asked);
      return [
        utcDays.fromDay - dayNumber('2026-11-01'),
        utcDays.toDay - dayNumber('2026-11-01'),
        isOfUtcDays,
      ];
    };
    const period = { from: { day: dayNumber('2026-11-01') }, to: { day: dayNumber('2026-11-03') } };
    expect(days(period)).to.deep.equal([0, 2, true]);
    expect(days({ ...period, tz: 'Asia/Tokyo' })).to.deep.equal([-1, 2, false]);
    expect(days({ ...period, tz: 'America/New_York' })).to.deep.equal([0, 3, false]);
    expect(days({ from: period.from })).to.deep.equal([0, Infinity, true]);
    expect(days({})[2]).to.equal(true);
    expect(days({ unit: 'hour' })[2]).to.equal(false);
  });

  it('has hours of a zone that is half an hour off for as long as it was, and no longer', () => {
    // Pyongyang was half an hour off in 2017.
    expect(question({ tz: 'Asia/Pyongyang' }).hasHours).to.equal(true);
    expect(question({ tz: 'Asia/Kolkata', from: { day: dayNumber('2020-01-01') } }).hasHours).to.equal(false);
  });

  const ITEMS = { fromMs: undefined, lastMs: NOW };

  it('gets one item for each day, in the order of time, whichever server has counted', () => {
    const { units } = question({});
    const hour = Date.UTC(2026, 10, 27, 5) / 3_600_000;
    const counts = [
      { hours: [{ at: hour, humans: 1, bots: 0 }], days: [] },
      {
        hours: [{ at: hour + 1, humans: 2, bots: 1 }],
        days: [{ at: dayNumber('2026-11-26'), humans: 4, bots: 0 }],
      },
    ];
    expect(toTimeItems({ ...ITEMS, units }, counts)?.map(({ humans, bots }) => [humans, bots])).to.deep.equal(
      [
        [4, 0],
        [3, 1],
        [0, 0],
      ],
    );
  });

  it('gets clicks that another process has counted ahead of our clock', () => {
    const { units } = question({});
    const counts = [{ hours: [], days: [{ at: dayNumber('2026-11-29'), humans: 1, bots: 0 }] }];
    expect(toTimeItems({ ...ITEMS, units }, counts)).to.deep.equal([
      { at: new Date('2026-11-29T00:00:00Z'), humans: 1, bots: 0 },
    ]);
  });

  it('gets no items when they would be more than 5,000', () => {
    const { units } = question({});
    const counts = [{ hours: [], days: [{ at: dayNumber('2010-01-01'), humans: 1, bots: 0 }] }];
    expect(toTimeItems({ ...ITEMS, units }, counts)).to.equal(undefined);
    expect(toTimeItems({ ...ITEMS, units: question({ unit: 'month' }).units }, counts)).to.have.length(203);
  });

  it('gets no items of the future', () => {
    const later = { to: at('9999-12-31T00:00:00Z'), from: { day: dayNumber('2026-11-27') } };
    expect(toTimeItems(question(later), [])).to.have.length(2);
    const never = { ...later, from: { day: dayNumber('2027-01-01') } };
    expect(toTimeItems(question(never), [])).to.deep.equal([]);
  });

  it('gets every hour of a day with 23 hours', () => {
    const asked = { unit: 'hour', tz: 'Europe/Berlin' } as const;
    const berlin = question({
      ...asked,
      from: { day: dayNumber('2026-03-29') },
      to: { day: dayNumber('2026-03-30') },
    });
    expect(toTimeItems(berlin, [])).to.have.length(23);
  });

  it('divides a period into closed months and the days that are left', () => {
    const days = (...dates: string[]): number[] => dates.map(dayNumber);
    const [from, to] = days('2026-01-15', '2026-04-10') as [number, number];
    const [january, february, march, april] = days(
      '2026-01-01',
      '2026-02-01',
      '2026-03-01',
      '2026-04-01',
    ) as [number, number, number, number];
    const range = { fromDay: from, toDay: to };
    expect(divide(range, [])).to.deep.equal({ months: [], days: [range] });
    expect(divide(range, [march, january, february, april])).to.deep.equal({
      months: [february, march],
      days: [
        { fromDay: from, toDay: february },
        { fromDay: april, toDay: to },
      ],
    });
    expect(divide({ fromDay: 0, toDay: Infinity }, [february])).to.deep.equal({
      months: [february],
      days: [
        { fromDay: 0, toDay: february },
        { fromDay: march, toDay: Infinity },
      ],
    });
    expect(divide({ fromDay: february, toDay: march }, [february])).to.deep.equal({
      months: [february],
      days: [],
    });
  });

  it('adds up the values of servers, and keeps all clicks', () => {
    const answers = [
      {
        items: [
          { value: 'ES', humans: 3, bots: 0 },
          { value: '(other)', humans: 9, bots: 9 },
        ],
        humans: 20,
        bots: 10,
      },
      {
        items: [
          { value: 'IN', humans: 4, bots: 0 },
          { value: 'ES', humans: 2, bots: 1 },
        ],
        humans: 6,
        bots: 1,
      },
    ];
    const known = { humans: 26, bots: 11 };
    expect(mergeValues(answers, known, 2)).to.deep.equal([
      { value: 'ES', humans: 5, bots: 1 },
      { value: 'IN', humans: 4, bots: 0 },
      { value: '(other)', humans: 17, bots: 10 },
    ]);
    expect(mergeValues(answers, known, 1)[1]).to.deep.equal({ value: '(other)', humans: 21, bots: 10 });
    // What is left of all clicks has no value.
    expect(mergeValues(answers, { humans: 31, bots: 11 }, 2)).to.deep.equal([
      { value: 'ES', humans: 5, bots: 1 },
      { value: '', humans: 5, bots: 0 },
      { value: '(other)', humans: 21, bots: 10 },
    ]);
    // Values are of whole days, so there may be more of them than clicks of the period.
    expect(mergeValues(answers, { humans: 7, bots: 20 }, 3)).to.deep.equal([
      { value: 'ES', humans: 5, bots: 1 },
      { value: 'IN', humans: 4, bots: 0 },
      { value: '', humans: 0, bots: 9 },
      { value: '(other)', humans: 17, bots: 10 },
    ]);
  });
});
