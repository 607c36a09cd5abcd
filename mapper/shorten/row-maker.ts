import type { LinkRow } from '../../db/urls/link.ts';
import { RandomIds } from '../../runtime/random-ids.ts';
import type { ShortenRequest } from './shorten-request.ts';

/** Makes rows. The rows of one millisecond share a Date object. */
export class RowMaker {
  readonly #ids = RandomIds.hex();
  #now = new Date();

  create(key: string, slot: number, { longUrl, expiresAt }: ShortenRequest): LinkRow {
    const nowMs = Date.now();
    if (this.#now.getTime() !== nowMs) this.#now = new Date(nowMs);
    return {
      key,
      slot,
      longUrl,
      userId: null,
      createdAt: this.#now,
      expiresAt,
      requestId: this.#ids.next(),
    };
  }
}
