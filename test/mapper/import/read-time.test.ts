import { expect } from 'chai';
import { isTimezone, readTime, type TimeRules } from '../../../mapper/import/read-time.ts';

const BERLIN: TimeRules = { timezone: 'Europe/Berlin' };

function read(value: unknown, rules: TimeRules = {}): string | null {
  const time = readTime('created_at', value, rules);
  return 'fault' in time ? time.fault.reason : (time.at?.toISOString() ?? null);
}

describe('the times of imported links', () => {
  for (const [value, expected, rules = {}] of [
    ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05.000Z'],
    ['2024-01-02t03:04:05.6789z', '2024-01-02T03:04:05.678Z'],
    ['2024-01-02 03:04:05+0000', '2024-01-02T03:04:05.000Z'],
    ['2024-01-02 03:04:05 UTC', '2024-01-02T03:04:05.000Z'],
    ['2024-01-02T03:04-04:30', '2024-01-02T07:34:00.000Z'],
    ['2024-01-02T03:04:05+25:00', 'no-date'],
    ['2024-01-02T24:00:00Z', 'no-date'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    [1_704_164_645, '2024-01-02T03:04:05.000Z'],
    ['1704164645', '2024-01-02T03:04:05.000Z'],
    ['1704164645678', '2024-01-02T03:04:05.678Z'],
    ['170416464', '1975-05-27T09:54:24.000Z'],
    ['20240102', 'no-date'],
    ['', 'no-date'],
    ['0000-00-00 00:00:00', null],
    ['2024-01-02', 'no-zone'],
    ['2024-01-02', '2024-01-01T23:00:00.000Z', BERLIN],
    ['2024-07-02 03:04:05', '2024-07-02T01:04:05.000Z', BERLIN],
    ['2021-03-28 02:30:00', 'unclear-date', BERLIN],
    ['2022-10-30 02:15:00', 'unclear-date', BERLIN],
    ['2022-10-30 02:15:00+0200', '2022-10-30T00:15:00.000Z', BERLIN],
    ['2022-10-30 03:00:00', '2022-10-30T02:00:00.000Z', BERLIN],
    ['12/11/2024', 'unclear-date', BERLIN],
    ['12/11/2024', '2024-11-11T23:00:00.000Z', { ...BERLIN, dateOrder: 'day-first' }],
    ['12/11/2024', '2024-12-10T23:00:00.000Z', { ...BERLIN, dateOrder: 'month-first' }],
    ['31/12/2024 11:04 PM', '2024-12-31T23:04:00.000Z', { timezone: 'UTC' }],
    ['12/31/2024 12:04 am', '2024-12-31T00:04:00.000Z', { timezone: 'UTC' }],
    ['12/31/2024', 'no-date', { timezone: 'UTC', dateOrder: 'day-first' }],
    ['12/31/2024 13:04 PM', 'no-date', { timezone: 'UTC' }],
    ['5.5.2024', '2024-05-04T22:00:00.000Z', BERLIN],
    ['2024-02-30', 'no-date', BERLIN],
    ['31/13/2024', 'no-date', BERLIN],
    ['1969-12-31T23:59:59Z', 'no-date'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
    ['Tuesday', 'no-date'],
    [true, 'value-type'],
    [{}, 'value-type'],
  ] as readonly (readonly [unknown, string | null, TimeRules?])[]) {
    it(`${JSON.stringify(value)} with ${JSON.stringify(rules)}: ${expected}`, () => {
      expect(read(value, rules)).to.equal(expected);
    });
  }

  it('knows the zones of IANA', () => {
    expect(['Europe/Berlin', 'UTC', 'Europe/Atlantis', ''].map(isTimezone)).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
  });
});
