import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openCountryFile } from '../../../mapper/dimensions/country-file.ts';
import { ConfigError } from '../../../runtime/config/env.ts';
import { rejection } from '../../db/rejection.ts';
import { makeMmdb } from './mmdb.ts';

describe('a file of countries', () => {
  let dir: string;
  let path: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'keymill-countries-'));
    path = join(dir, 'countries.mmdb');
    writeFileSync(
      path,
      makeMmdb({
        '192.0.2.0/24': { country: { iso_code: 'DE' } },
        '198.51.100.0/25': { country_code: 'FR' },
        '203.0.113.7/32': { continent: { code: 'EU' } },
        // The first 32 bits of 2001:db8:1:2:: are those of 32.1.13.184.
        '32.0.0.0/8': { country_code: 'US' },
      }),
    );
  });

  after(() => rmSync(dir, { recursive: true }));

  it('knows the country of an address, in the forms of several makers', async () => {
    const countryAt = await openCountryFile(path);
    for (const [address, country] of [
      ['192.0.2.1', 'DE'],
      ['192.0.2.255', 'DE'],
      ['192.0.3.1', undefined],
      ['198.51.100.127', 'FR'],
      ['198.51.100.128', undefined],
      ['203.0.113.7', undefined],
      ['32.1.13.184', 'US'],
      ['2001:db8:1:2::/64', undefined],
      ['2001:db8:1:2::1', undefined],
      ['not an address', undefined],
    ] as const)
      expect(countryAt(address), address).to.equal(country);
  });

  it('need not be there', async () => {
    expect((await openCountryFile(undefined))('192.0.2.1')).to.equal(undefined);
  });

  it('stops the start when it cannot be read, and names the setting', async () => {
    writeFileSync(join(dir, 'text.mmdb'), 'no database');
    writeFileSync(join(dir, 'empty.mmdb'), '');
    for (const name of ['absent.mmdb', 'text.mmdb', 'empty.mmdb', '.']) {
      const error = await rejection(openCountryFile(join(dir, name)));
      expect(error, name).to.be.instanceOf(ConfigError);
      expect(String(error)).to.match(
        /KEYMILL_COUNTRY_FILE=.*: expected a readable file of the form MaxMind DB/,
      );
    }
  });
});
