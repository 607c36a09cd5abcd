import { expect } from 'chai';
import * as fc from 'fast-check';
import { parseExpiration } from '../../mapper/shorten/expiration.ts';

const NOW = Date.UTC(2026, 0, 1);

describe('expiration dates', () => {
  const READ: readonly (readonly [string, string])[] = [
    ['2030-01-31T12:00:00Z', '2030-01-31T12:00:00.000Z'],
    ['2030-01-31t12:00:00z', '2030-01-31T12:00:00.000Z'],
    ['2030-01-31T12:00:00.5+02:00', '2030-01-31T10:00:00.500Z'],
    ['2030-01-31T12:00:00.123999-05:30', '2030-01-31T17:30:00.123Z'],
    ['2028-02-29T00:00:00+00:00', '2028-02-29T00:00:00.000Z'],
    ['2030-12-31T23:59:60Z', '2031-01-01T00:00:00.000Z'],
    ['2026-01-01T00:00:00.001Z', '2026-01-01T00:00:00.001Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ];
  for (const [input, iso] of READ) {
    it(`reads ${input} as ${iso}`, () => {
      const expiration = parseExpiration(input, NOW);
      expect(expiration.ok && expiration.at.toISOString()).to.equal(iso);
    });
  }

  const REFUSED: Readonly<Record<string, readonly string[]>> = {
    'must be an RFC 3339': [
      '',
      'tomorrow',
      '2030-01-31',
      '2030-01-31T12:00:00',
      '2030-01-31 12:00:00Z',
      '2030-01-31T12:00Z',
      '2030-1-31T12:00:00Z',
      '2030-13-01T00:00:00Z',
      '2030-00-01T00:00:00Z',
      '2030-02-29T00:00:00Z',
      '2030-02-30T00:00:00Z',
      '2030-04-31T00:00:00Z',
      '2030-01-00T00:00:00Z',
      '2030-01-01T24:00:00Z',
      '2030-01-01T00:60:00Z',
      '2030-01-01T00:00:61Z',
      '2030-01-01T00:00:00+24:00',
      '2030-01-01T00:00:00+0200',
      '2030-01-01T00:00:00.Z',
      '+02030-01-01T00:00:00Z',
      ' 2030-01-01T00:00:00Z',
      '2030-01-01T00:00:00Z\n',
      '1893456000',
    ],
    'is in the past': [
      '2026-01-01T00:00:00Z',
      '2025-12-31T23:59:59Z',
      '1970-01-01T00:00:00Z',
      '0001-01-01T00:00:00Z',
    ],
    'is after the year 9999': ['9999-12-31T23:59:59-01:00'],
  };
  for (const [reason, inputs] of Object.entries(REFUSED)) {
    for (const input of inputs) {
      it(`refuses ${JSON.stringify(input)}: ${reason}`, () => {
        const expiration = parseExpiration(input, NOW);
        expect(expiration.ok ? 'accepted' : expiration.reason).to.contain(reason);
      });
    }
  }

  it('agrees with Date about every instant it can write', () => {
    const instants = fc.date({
      min: new Date(NOW + 1),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(instants, (date) => {
        const expiration = parseExpiration(date.toISOString(), NOW);
        expect(expiration.ok && expiration.at.getTime()).to.equal(date.getTime());
      }),
    );
  });
});
