import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { Keeping, ReservationKind, ReservedLink } from '../../db/reservations/reservation.ts';
import type { ReservationsDb } from '../../db/reservations/reservations-db.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { End, Fate, Step } from './policy.ts';
import type { ReservationIdentity } from './reservation-hash.ts';

/** A urls server, and whether it is worth asking. */
export interface ReservationsServer {
  readonly db: ReservationsDb;
  /** Whether it answers reads. */
  readonly isUp: () => boolean;
  /** Whether it takes writes. */
  readonly isWritable: () => boolean;
}

type Fixed = 'key' | 'slot' | 'createdAt' | 'requestId' | 'alias';

/**
 * A link to make, without what its reservation fixes. With an owner or rules, it has all fields of own links.
 */
export type UnboundLink = Omit<LinkRow, Fixed> | Omit<OwnedRow, Fixed>;

export interface ReservedRequest extends ReservationIdentity {
  readonly kind: ReservationKind;
  readonly keeping: Keeping;
  /** The key that the user chose. */
  readonly alias: string | undefined;
  readonly link: UnboundLink;
  /** What is bound, if it costs more than what is answered. @param key to which it is bound */
  readonly linkToBind?: (key: string) => Promise<UnboundLink>;
  /**
   * For how long after its reservation a key may be bound: as long as what `linkToBind` has stored for it is
   * there. Default: for ever.
   */
  readonly bindableMs?: number;
  /**
   * Judges what depends on time or lists: only the request that writes a reservation is judged by that.
   * @throws the problem
   */
  readonly judgeAsFirst: () => void;
  /** How long it may take, its turn included. Default: 4 s. */
  readonly timeoutMs?: number;
  /**
   * Finds the link that the first request is answered with. Absent: it gets a new one. Undefined: the alias,
   * which another link has.
   * @throws like `make`
   */
  readonly findLink?: () => Promise<ReservedLink | undefined>;
}

/** The answer to a request. */
export type ReservedOutcome =
  | {
      readonly answer: 'made';
      /** Made from request and reservation, so it is the same for each repetition, also after a change. */
      readonly row: LinkRow | OwnedRow;
      /** As in `ReservedLink`. */
      readonly isFound: boolean;
      /** Whether this request has reserved the link. Otherwise it repeats one that has. */
      readonly isFirst: boolean;
    }
  | Exclude<End, { answer: 'made' }>;

/** A key that was drawn for a reservation. */
export interface DrawnKey {
  readonly key: string;
  /** Called once, with what became of the key. */
  readonly settle: (fate: Fate) => void;
}

export interface ReservationsOptions {
  readonly servers: readonly ReservationsServer[];
  readonly slotOf: (key: string) => number;
  /** Draws a key for a server that takes links. @throws NoKeysError, StoreUnavailableError */
  readonly drawKey: () => Promise<DrawnKey>;
  /**
   * Binds exactly this row, or finds it bound.
   * @throws StoreUnavailableError, OutcomeUnknownError, or Problem when too many links are under way
   */
  readonly bind: (row: LinkRow | OwnedRow) => Promise<'bound' | 'taken'>;
  /** Called before a link is answered, also one that an earlier request has bound. */
  readonly appeared: (row: LinkRow) => Promise<void>;
  /** Awaited after each step. For tests, in which processes die there or let others go first. */
  readonly onStep?: (step: Step) => Promise<void> | void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}
