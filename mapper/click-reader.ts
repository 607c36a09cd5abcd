import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import { endPolls, pollEvery } from '../runtime/polling.ts';
import type { UsersStore } from './auth/users-store.ts';
import type { ClickSource } from './clicks/click-stores.ts';
import { ClickReader } from './dimensions/click-reader.ts';
import { openCountryFile, type CountryAt } from './dimensions/country-file.ts';
import { Salts } from './dimensions/salts.ts';
import type { Limits } from './limits/limits.ts';

export interface OpenClickReaderOptions {
  readonly config: MapperConfig;
  readonly limits: Limits;
  readonly store: UsersStore;
  readonly log: Log;
}

/** What the mapper knows of those who follow links. */
export interface OpenClickReader extends ClickSource, AsyncDisposable {
  readonly countryAt: CountryAt;
}

const REFRESH_MS = 1_000;

/**
 * Opens the file of countries, and shares the salts of visitors through the users database. Does not wait for
 * that one.
 * @throws ConfigError when the file cannot be read
 */
export async function openClickReader({
  config,
  limits,
  store,
  log,
}: OpenClickReaderOptions): Promise<OpenClickReader> {
  const { countryHeader, countryFile } = config.following ?? {};
  const countryAt = await openCountryFile(countryFile);
  const senderOf: ClickSource['senderOf'] = (peer) => limits.peerOf(peer);
  if (config.clicks.counted !== true)
    return { countryAt, senderOf, resolve: undefined, [Symbol.asyncDispose]: async () => undefined };
  const share = async (day: string, salt: Buffer): Promise<Buffer> =>
    store.ask(async (db) => db.salts.ensure(day, salt));
  const salts = new Salts({ share: store.isConfigured ? share : undefined, now: Date.now, log });
  const reader = new ClickReader({
    countryHeader: countryHeader?.toLowerCase(),
    countryAt,
    clientOf: (sender, forwardedFor) => limits.addressOf(sender, forwardedFor),
    hashOf: (day) => salts.of(day),
  });
  const stopping = new AbortController();
  const refreshing = pollEvery(REFRESH_MS, stopping.signal, async () => salts.refresh());
  return {
    countryAt,
    senderOf,
    resolve: (click) => reader.resolve(click),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(refreshing);
    },
  };
}
