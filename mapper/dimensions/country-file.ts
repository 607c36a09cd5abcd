import { readFile } from 'node:fs/promises';
import { Reader } from 'mmdb-lib';
import { ConfigError } from '../../runtime/config/env.ts';
import { messageOf } from '../../runtime/errors.ts';

/** The country of an address, two capital letters. Undefined: not known. */
export type CountryAt = (address: string) => string | undefined;

/**
 * Opens a file of addresses and their countries (MaxMind DB). The whole file stays in memory.
 * @param path undefined: there is none, and no country is known
 * @throws ConfigError when it cannot be read
 */
export async function openCountryFile(path: string | undefined): Promise<CountryAt> {
  if (path === undefined) return () => undefined;
  try {
    const reader = new Reader(await readFile(path));
    // In a tree of IPv4, the reader looks for an address of IPv6 by its first 32 bits.
    const isOfIpv4 = reader.metadata.ipVersion === 4;
    return (address) => {
      if (isOfIpv4 && address.includes(':')) return undefined;
      // Of IPv6 it is a network, see `Limits.addressOf`.
      return codeIn(reader.get(address.replace(/\/64$/, '')));
    };
  } catch (error) {
    const expected = `a readable file of the form MaxMind DB, .mmdb (${messageOf(error)})`;
    throw new ConfigError([{ variable: 'KEYMILL_COUNTRY_FILE', value: path, expected }]);
  }
}

/** MaxMind and DB-IP say `country.iso_code`, others `country_code`. */
function codeIn(record: unknown): string | undefined {
  const { country, country_code: code } = (record ?? {}) as Record<string, unknown>;
  const found = code ?? (country as Record<string, unknown> | undefined)?.['iso_code'];
  return typeof found === 'string' ? found : undefined;
}
