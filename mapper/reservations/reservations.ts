import { slotOfHash } from '../../db/reservations/reservation.ts';
import { OutcomeUnknownError } from '../../db/store-errors.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import { RandomIds } from '../../runtime/random-ids.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { takeTurn, Turns } from '../links/turns.ts';
import { Places } from './places.ts';
import type {
  ReservationsOptions,
  ReservationsServer,
  ReservedOutcome,
  ReservedRequest,
} from './reserved-request.ts';
import { Reserving } from './reserving.ts';

/** When a request is answered at the latest, its turn included, unless it says so itself. */
const GIVE_UP_MS = 4_000;
/** The requests of one server that are under way or wait in this process. One takes some milliseconds. */
const MAX_WAITING = 1_000;
/** {@link Places} bound them, for each server. */
const TURNS = { maxWaiting: Number.POSITIVE_INFINITY, maxOfKey: MAX_WAITING / 2, waitMs: GIVE_UP_MS };

/**
 * Makes links for requests that may be repeated: `find_if_exists` and `Idempotency-Key`. n equal requests
 * make one link, in whichever processes they are, and whichever of them die on the way. There is no lock.
 */
export class Reservations {
  readonly #options: ReservationsOptions;
  readonly #turns = new Turns(TURNS);
  readonly #places = new Places(MAX_WAITING);
  readonly #ids = RandomIds.hex();

  constructor(options: ReservationsOptions) {
    this.#options = options;
  }

  /**
   * Equal requests of this process take turns, so that they do not draw keys in vain. It takes a bounded
   * time: a step that has begun goes on behind the answer, and keeps the turn until it ends.
   *
   * @throws StoreUnavailableError or OutcomeUnknownError when a server does not answer, also when the link
   *   may have been made: the same request, sent again, gets it; NoKeysError; what `judgeAsFirst` and `bind`
   *   throw
   */
  async make(request: ReservedRequest): Promise<ReservedOutcome> {
    const server = this.#serverAt(slotOfHash(request.hash));
    const { name } = server.db;
    const { timeoutMs = GIVE_UP_MS } = request;
    const giveUpMs = this.#options.now() + timeoutMs;
    const work = new Reserving({
      ...this.#options,
      request,
      server,
      serverOf: (key) => this.#serverAt(this.#options.slotOf(key)),
      places: this.#places,
      ids: this.#ids,
    });
    try {
      return await withDeadline('a reservation', timeoutMs, async () =>
        this.#places.at(name, async () =>
          takeTurn(this.#turns, { server: name, key: request.hash }, async () => work.carryOut(giveUpMs)),
        ),
      );
    } catch (error) {
      if (error instanceof DeadlineError) throw new OutcomeUnknownError(work.waitsFor, error.message, error);
      throw error;
    }
  }

  #serverAt(slot: number): ReservationsServer {
    const server = this.#options.servers.find(({ db }) => db.slots.includes(slot));
    if (server === undefined) throw new RangeError(`no urls server owns slot ${slot}`);
    return server;
  }
}
