import type { Link } from '../urls/link.ts';
import { slotOf } from '../keyspace/placement.ts';

/** What a reservation is for: a request with `find_if_exists`, or one with an `Idempotency-Key`. */
export type ReservationKind = 'dedupe' | 'idempotency';

/** The link that a reservation fixes. Everybody who binds it uses this key and this request id. */
export interface ReservedLink extends Pick<Link, 'key' | 'createdAt'> {
  /** 32 hex digits, new for every attempt to write a reservation. */
  readonly requestId: string;
  /** Absent: the link is made. True: there was one, which a request with `find_if_exists` has found. */
  readonly isFound?: true;
}

/** A reservation as it is stored. */
export interface Reservation extends ReservedLink {
  /** 64 hex digits, of the body of the request that wrote it. */
  readonly fingerprint: string;
  /** By the clock of the database. */
  readonly isExpired: boolean;
}

/**
 * When a reservation ends: a time after it was written, by the clock of the database, or at a time, or never.
 */
export type Keeping = { readonly forSeconds: number } | { readonly until: Date | null };

/** A reservation before it is known which link it fixes. */
export interface ReservationTerms {
  /** 64 hex digits: equal for requests that are the same one. */
  readonly hash: string;
  readonly kind: ReservationKind;
  readonly fingerprint: string;
  readonly keeping: Keeping;
}

/** The slot of a reservation, the same as `CRC32(HEX(hash)) % 32` in SQL. */
export function slotOfHash(hash: string): number {
  return slotOf(hash.toUpperCase());
}
