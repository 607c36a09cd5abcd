import { ENTRY_TTL_MS, MapperEntries } from '../db/redis/mapper-entries.ts';
import type { RedisShardConfig } from '../runtime/config/stores.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { pollEvery } from '../runtime/polling.ts';
import type { MapperMember } from '../coordinator/overview/mapper-member.ts';

/** Four renewals may fail before the entry vanishes. */
const RENEW_EVERY_MS = ENTRY_TTL_MS / 5;
const CONNECT_MS = 1_000;

/**
 * Keeps the entry of this mapper in Redis, in the background, for a cluster without ZooKeeper. A mapper
 * serves without it too, so nothing waits for this, and its failures are only logged.
 */
export class RedisMembership {
  readonly #stopping = new AbortController();
  readonly #entries: MapperEntries;
  readonly #member: MapperMember;
  readonly #json: string;
  readonly #log: Log;
  readonly #running: Promise<void>;
  #isFailing = false;

  constructor({ name, url }: RedisShardConfig, member: MapperMember, log: Log) {
    this.#entries = new MapperEntries({ name, url, log: log.child({ purpose: 'membership' }) });
    this.#member = member;
    this.#json = JSON.stringify(member);
    this.#log = log;
    this.#running = this.#run();
  }

  /** Removes the entry, so that nobody takes this mapper for one that runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#entries.remove(this.#member.id, this.#json).catch(() => undefined);
    await this.#entries[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    await this.#entries.whenConnected(CONNECT_MS);
    await pollEvery(RENEW_EVERY_MS, this.#stopping.signal, async () => this.#renew());
  }

  async #renew(): Promise<void> {
    try {
      await this.#entries.keep(this.#member.id, this.#json);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        this.#log.warn({ reason: messageOf(error) }, 'not registered in Redis; serving without it');
      this.#isFailing = true;
    }
  }
}
