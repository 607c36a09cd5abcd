import type { BoundLink } from '../../db/reservations/bound-link.ts';
import {
  slotOfHash,
  type Keeping,
  type ReservationKind,
  type ReservationTerms,
  type ReservedLink,
} from '../../db/reservations/reservation.ts';
import type { ReservationsDb } from '../../db/reservations/reservations-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { RandomIds } from '../../runtime/random-ids.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import { takeTurn, Turns } from '../links/turns.ts';
import {
  after,
  fateOf,
  nextStep,
  START,
  stateOfLink,
  type Fate,
  type Finding,
  type Progress,
  type Question,
  type Step,
} from './policy.ts';
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
  /**
   * Judges what depends on time or lists: only the request that writes a reservation is judged by that.
   * @throws the problem
   */
  readonly judgeAsFirst: () => void;
}

/** The answer to a request. */
export type ReservedOutcome =
  | {
      readonly answer: 'made';
      /** Made from request and reservation, so it is the same for each repetition, also after a change. */
      readonly row: LinkRow | OwnedRow;
      /** Whether this request has reserved the link. Otherwise it repeats one that has. */
      readonly isFirst: boolean;
    }
  | { readonly answer: 'taken' | 'other-body' };

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

/** How long a request is carried out, its turn included. */
const GIVE_UP_MS = 4_000;
/** The requests that are under way or wait in this process. One takes some milliseconds. */
const TURNS = { maxWaiting: 1_000, maxOfKey: 1_000, waitMs: GIVE_UP_MS };
/** A request needs at most 12 steps if no other one interferes. */
const STEPS_WITHOUT_PAUSE = 12;
const REPEAT = { baseMs: 5, maxMs: 100 };

/**
 * Makes links for requests that may be repeated: `find_if_exists` and `Idempotency-Key`. n equal requests
 * make one link, in whichever processes they are, and whichever of them die on the way. There is no lock.
 */
export class Reservations {
  readonly #options: ReservationsOptions;
  readonly #turns = new Turns(TURNS);
  readonly #ids = RandomIds.hex();

  constructor(options: ReservationsOptions) {
    this.#options = options;
  }

  /**
   * Equal requests of this process take turns, so that they do not draw keys in vain.
   *
   * @throws StoreUnavailableError or OutcomeUnknownError when a server does not answer, also when the link
   *   may have been made: the same request, sent again, gets it; NoKeysError; what `judgeAsFirst` and `bind`
   *   throw
   */
  async make(request: ReservedRequest): Promise<ReservedOutcome> {
    const server = this.#serverAt(slotOfHash(request.hash));
    const giveUpMs = this.#options.now() + GIVE_UP_MS;
    return takeTurn(this.#turns, { server: server.db.name, key: request.hash }, async () => {
      const work = new Reserving(this.#options, server, this.#ids, request, (key) =>
        this.#serverAt(this.#options.slotOf(key)),
      );
      return work.carryOut(giveUpMs);
    });
  }

  #serverAt(slot: number): ReservationsServer {
    const server = this.#options.servers.find(({ db }) => db.slots.includes(slot));
    if (server === undefined) throw new RangeError(`no urls server owns slot ${slot}`);
    return server;
  }
}

/** One request until its answer. It decides nothing: see {@link nextStep}. */
class Reserving {
  readonly #options: ReservationsOptions;
  readonly #server: ReservationsServer;
  readonly #ids: RandomIds;
  readonly #request: ReservedRequest;
  readonly #serverOf: (key: string) => ReservationsServer;
  readonly #question: Question;
  #progress: Progress = START;
  /** The key of the candidate, unless the user chose it. */
  #drawn: DrawnKey | undefined;

  constructor(
    options: ReservationsOptions,
    server: ReservationsServer,
    ids: RandomIds,
    request: ReservedRequest,
    serverOf: (key: string) => ReservationsServer,
  ) {
    this.#options = options;
    this.#server = server;
    this.#ids = ids;
    this.#request = request;
    this.#serverOf = serverOf;
    this.#question = { kind: request.kind, fingerprint: request.fingerprint, alias: request.alias };
  }

  async carryOut(giveUpMs: number): Promise<ReservedOutcome> {
    const { now, onStep, appeared } = this.#options;
    try {
      for (let steps = 0; ; steps += 1) {
        const step = nextStep(this.#question, this.#progress);
        if (step.do === 'end') {
          if (step.end.answer !== 'made') return step.end;
          const row = this.#rowOf(step.end.link);
          await appeared(row);
          return { answer: 'made', row, isFirst: step.end.isFirst };
        }
        if (now() > giveUpMs)
          throw new StoreUnavailableError(this.#server.db.name, 'a reservation took too long');
        if (steps > STEPS_WITHOUT_PAUSE) await pause(delayFor(steps - STEPS_WITHOUT_PAUSE, REPEAT));
        this.#progress = after(this.#question, this.#progress, await this.#perform(step));
        await onStep?.(step);
      }
    } finally {
      this.#settle(fateOf(this.#progress));
    }
  }

  async #perform(step: Exclude<Step, { do: 'end' }>): Promise<Finding> {
    const { hash } = this.#request;
    switch (step.do) {
      case 'read':
        return { did: 'read', reservation: await readable(this.#server).find(hash) };
      case 'choose':
        return { did: 'choose', candidate: await this.#choose() };
      case 'insert':
        return {
          did: 'insert',
          outcome: await this.#write(async (db, terms) => db.insert(terms, step.link)),
        };
      case 'replace':
        return {
          did: 'replace',
          outcome: await this.#write(async (db, terms) => db.replace(terms, step.before, step.link)),
        };
      case 'look': {
        const found: BoundLink | undefined = await readable(this.#serverOf(step.link.key)).findLink(
          step.link.key,
        );
        return { did: 'look', link: stateOfLink(found, step.link, this.#request.link.longUrl) };
      }
      case 'bind':
        writable(this.#serverOf(step.link.key));
        return { did: 'bind', outcome: await this.#options.bind(this.#rowOf(step.link)) };
      case 'let-go':
        this.#settle(step.fate);
    }
    return { did: 'let-go' };
  }

  async #choose(): Promise<ReservedLink> {
    const { alias, judgeAsFirst } = this.#request;
    judgeAsFirst();
    if (alias === undefined) this.#drawn = await this.#options.drawKey();
    const key = alias ?? (this.#drawn as DrawnKey).key;
    return { key, requestId: this.#ids.next(), createdAt: new Date() };
  }

  async #write(
    write: (db: ReservationsDb, terms: ReservationTerms) => Promise<boolean>,
  ): Promise<boolean | 'unknown'> {
    try {
      return await write(writable(this.#server), this.#request);
    } catch (error) {
      if (error instanceof OutcomeUnknownError) return 'unknown';
      throw error;
    }
  }

  #settle(fate: Fate | undefined): void {
    if (fate !== undefined) this.#drawn?.settle(fate);
    this.#drawn = undefined;
  }

  #rowOf({ key, requestId, createdAt }: ReservedLink): LinkRow | OwnedRow {
    const fixed = { key, slot: this.#options.slotOf(key), requestId, createdAt };
    const row = { ...this.#request.link, ...fixed };
    return this.#request.alias === undefined ? row : { ...row, alias: true };
  }
}

function readable({ db, isUp }: ReservationsServer): ReservationsDb {
  if (!isUp()) throw new StoreUnavailableError(db.name, 'it is down');
  return db;
}

function writable({ db, isWritable }: ReservationsServer): ReservationsDb {
  if (!isWritable()) throw new StoreUnavailableError(db.name, 'it takes no writes now');
  return db;
}
