import type { BoundLink } from '../../db/reservations/bound-link.ts';
import type { Reservation, ReservationKind, ReservedLink } from '../../db/reservations/reservation.ts';
import { isOtherBody } from './reservation-hash.ts';

/** What of a request decides the next step. */
export interface Question {
  readonly kind: ReservationKind;
  readonly fingerprint: string;
  /** The key that the user chose. */
  readonly alias: string | undefined;
}

/**
 * The link of a reserved key. `unbound`: there is none yet. `stale`: there is none, and what was stored for
 * it may be gone, so another key is reserved. `others`: another request has bound the key.
 * `living` and `over`: bound with the request id of the reservation; it is followed to the target that was
 * asked for, or not any more.
 */
export type LinkState = 'unbound' | 'stale' | 'living' | 'over' | 'others';

/** What is known of a reservation while it is carried out. */
export interface Progress {
  /** undefined: not known, or not any more. */
  readonly reservation: Reservation | 'absent' | undefined;
  /** Of the key in the reservation. undefined: not known. */
  readonly link: LinkState | undefined;
  /** A link that could be reserved: a key in hand, or the alias. */
  readonly candidate: ReservedLink | undefined;
  /**
   * Whether the candidate was written, or a write of it had no answer and may still happen. It is not written
   * again: a request that has read it before could then replace it as if nothing had happened in between.
   */
  readonly isWritten: boolean;
}

export const START: Progress = {
  reservation: undefined,
  link: undefined,
  candidate: undefined,
  isWritten: false,
};

/** What becomes of a key in hand. */
export type Fate =
  /** The link has it. */
  | 'bound'
  /** Another link has it. */
  | 'duplicate'
  /** It is in no store: it may be given back. */
  | 'unused'
  /** It may be reserved, or bound: nobody may be given it. */
  | 'unresolved';

/** The next thing to do. The four kinds of `end` are the answers. */
export type Step =
  | { readonly do: 'read' }
  /** Judges the request as the first one, and takes a key or the alias. */
  | { readonly do: 'choose' }
  | { readonly do: 'insert'; readonly link: ReservedLink }
  | { readonly do: 'replace'; readonly before: string; readonly link: ReservedLink }
  | { readonly do: 'look'; readonly link: ReservedLink }
  | { readonly do: 'bind'; readonly link: ReservedLink }
  | { readonly do: 'let-go'; readonly fate: Fate }
  | { readonly do: 'end'; readonly end: End };

export type End =
  /** @param isFirst this request has written the reservation; all others repeat it */
  | { readonly answer: 'made'; readonly link: ReservedLink; readonly isFirst: boolean }
  /** Another link has the alias. */
  | { readonly answer: 'taken'; readonly isFirst: boolean }
  /** The same `Idempotency-Key` came with another body. */
  | { readonly answer: 'other-body' };

/**
 * Decides the next step. Pure.
 *
 * 1. The reservation is read. If there is none, one is inserted with a new key.
 * 2. It fixes key, request id and time. Everybody who holds it, first, repeated or after a crash, binds the
 *    same link with the same request id. A link that is bound with it is the answer; for `find_if_exists`
 *    only while it is followed.
 * 3. If another request has bound the key, another key is put into the reservation, on condition that it
 *    still has the request id that was read. If the user chose the key, it is taken.
 * 4. A link that is followed no more, a reservation that had expired when it was found, and a key that has
 *    waited too long for its link, are replaced in the same way.
 *
 * Only what was read decides that a key is another's or a link is over. What a store does not tell changes
 * nothing: then the request fails, and never draws another key.
 */
export function nextStep(question: Question, progress: Progress): Step {
  const { reservation } = progress;
  if (reservation === undefined) return { do: 'read' };
  if (reservation === 'absent') return renewal(reservation, progress);
  if (reservation.isExpired && !expiresWithLink(question, progress)) return renewal(reservation, progress);
  if (question.kind === 'idempotency' && isOtherBody(question.fingerprint, reservation.fingerprint))
    return end({ answer: 'other-body' });
  const { link } = progress;
  if (link === undefined) return { do: 'look', link: reservation };
  if (link === 'unbound') return { do: 'bind', link: reservation };
  // A repeated key gets the answer of its first request, whatever has become of the link.
  if (link === 'living' || (link === 'over' && question.kind === 'idempotency'))
    return made(reservation, progress);
  if (question.alias === undefined) return renewal(reservation, progress);
  return end({ answer: 'taken', isFirst: isFirst(reservation, progress) });
}

/** What a step has found. A write without an answer is `unknown`. */
export type Finding =
  | { readonly did: 'read'; readonly reservation: Reservation | undefined }
  | { readonly did: 'choose'; readonly candidate: ReservedLink }
  | { readonly did: 'insert'; readonly outcome: boolean | 'unknown' }
  | { readonly did: 'replace'; readonly outcome: boolean | 'unknown' }
  | { readonly did: 'look'; readonly link: LinkState }
  | { readonly did: 'bind'; readonly outcome: 'bound' | 'taken' }
  | { readonly did: 'let-go' };

/** What is known after a step. Pure. */
export function after(question: Question, progress: Progress, finding: Finding): Progress {
  const unread = { ...progress, reservation: undefined, link: undefined };
  switch (finding.did) {
    case 'read':
      return { ...progress, reservation: finding.reservation ?? 'absent', link: undefined };
    case 'choose':
      return { ...progress, candidate: finding.candidate, isWritten: false };
    case 'insert':
      if (finding.outcome !== true || progress.candidate === undefined)
        return { ...unread, isWritten: progress.isWritten || finding.outcome === 'unknown' };
      // Nobody has bound a key that was in hand a moment ago; if somebody has, binding it will tell.
      return {
        ...progress,
        reservation: written(question, progress.candidate),
        link: 'unbound',
        isWritten: true,
      };
    case 'replace':
      return { ...unread, isWritten: progress.isWritten || finding.outcome !== false };
    case 'look':
      return { ...progress, link: finding.link };
    case 'bind':
      return { ...progress, link: finding.outcome === 'bound' ? 'living' : undefined };
    case 'let-go':
      break;
  }
  return { ...progress, candidate: undefined, isWritten: false };
}

/** What becomes of the key in hand when nothing more is done. Pure. @returns undefined: there is none */
export function fateOf({ reservation, link, candidate, isWritten }: Progress): Fate | undefined {
  if (candidate === undefined) return undefined;
  if (isReserved(candidate, reservation)) {
    if (link === 'living' || link === 'over') return 'bound';
    return link === 'others' ? 'duplicate' : 'unresolved';
  }
  return isWritten ? 'unresolved' : 'unused';
}

/**
 * Compares the link of a key with the reservation that fixes the key. Pure.
 *
 * A link that its owner has changed is `over`: it has other fields than those that were asked for. (If it has
 * the same ones again, the look among own links has found it before.) Of links without an owner only the
 * target counts.
 * @param asked what was asked for
 */
export function stateOfLink(
  link: BoundLink | undefined,
  { requestId }: ReservedLink,
  asked: { readonly longUrl: string; readonly isOwned: boolean },
): LinkState {
  if (link === undefined) return 'unbound';
  if (link.requestId !== requestId) return 'others';
  const isOther = link.longUrl !== asked.longUrl || (asked.isOwned && link.isChanged);
  return link.isOver || isOther ? 'over' : 'living';
}

/** A reservation is written, with a link that never was in one. */
function renewal(reservation: Reservation | 'absent', progress: Progress): Step {
  const { candidate, isWritten } = progress;
  if (candidate === undefined) return { do: 'choose' };
  if (isWritten) return { do: 'let-go', fate: fateOf(progress) ?? 'unresolved' };
  if (reservation === 'absent') return { do: 'insert', link: candidate };
  return { do: 'replace', before: reservation.requestId, link: candidate };
}

function made(reservation: Reservation, progress: Progress): Step {
  const { key, requestId, createdAt, isFound } = reservation;
  const link = { key, requestId, createdAt, ...(isFound && { isFound }) };
  return end({ answer: 'made', link, isFirst: isFirst(reservation, progress) });
}

/**
 * Whether this request has just written a reservation that expires with the link that is asked for. It is
 * carried out: another one would have expired as well.
 */
function expiresWithLink({ kind }: Question, { reservation, candidate, isWritten }: Progress): boolean {
  return kind === 'dedupe' && isWritten && isReserved(candidate, reservation);
}

/** A link that was found has the same request id for all who have found it. */
function isFirst(reservation: Reservation, { candidate, isWritten }: Progress): boolean {
  return isWritten && isReserved(candidate, reservation);
}

function end(answer: End): Step {
  return { do: 'end', end: answer };
}

function isReserved(link: ReservedLink | undefined, reservation: Progress['reservation']): boolean {
  return typeof reservation === 'object' && reservation.requestId === link?.requestId;
}

function written({ fingerprint }: Question, link: ReservedLink): Reservation {
  return { ...link, fingerprint, isExpired: false };
}
