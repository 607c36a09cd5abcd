import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { ReservationTerms, ReservedLink } from '../../db/reservations/reservation.ts';
import type { ReservationsDb } from '../../db/reservations/reservations-db.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { RandomIds } from '../../runtime/random-ids.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import type { Places } from './places.ts';
import {
  after,
  fateOf,
  nextStep,
  START,
  stateOfLink,
  type Fate,
  type Finding,
  type LinkState,
  type Progress,
  type Question,
  type Step,
} from './policy.ts';
import type {
  DrawnKey,
  ReservationsOptions,
  ReservationsServer,
  ReservedOutcome,
  ReservedRequest,
} from './reserved-request.ts';

/** Stands for the server of another reservation, which is found on the way. */
const ANOTHER = 'another reservation';
/** A request needs at most 12 steps if no other one interferes. */
const STEPS_WITHOUT_PAUSE = 12;
const REPEAT = { baseMs: 5, maxMs: 100 };

export interface ReservingOptions extends ReservationsOptions {
  readonly request: ReservedRequest;
  /** Of the reservation. */
  readonly server: ReservationsServer;
  readonly serverOf: (key: string) => ReservationsServer;
  readonly places: Places;
  readonly ids: RandomIds;
}

/** One request until its answer. It decides nothing: see {@link nextStep}. */
export class Reserving {
  readonly #options: ReservingOptions;
  readonly #request: ReservedRequest;
  readonly #server: ReservationsServer;
  readonly #question: Question;
  #progress: Progress = START;
  /** The key of the candidate, unless the user chose it, or it is that of a link that was found. */
  #drawn: DrawnKey | undefined;
  #waitsFor: string;

  constructor(options: ReservingOptions) {
    const { request, server } = options;
    this.#options = options;
    this.#request = request;
    this.#server = server;
    this.#question = { kind: request.kind, fingerprint: request.fingerprint, alias: request.alias };
    this.#waitsFor = server.db.name;
  }

  /** What the step under way waits for. */
  get waitsFor(): string {
    return this.#waitsFor;
  }

  async carryOut(giveUpMs: number): Promise<ReservedOutcome> {
    const { now, onStep, appeared } = this.#options;
    try {
      for (let steps = 0; ; steps += 1) {
        const step = nextStep(this.#question, this.#progress);
        if (step.do === 'end') {
          if (step.end.answer !== 'made') return step.end;
          const { link, isFirst } = step.end;
          const row = this.#rowOf(link);
          await appeared(row);
          return { answer: 'made', row, isFound: link.isFound === true, isFirst };
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
      case 'look':
        return { did: 'look', link: await this.#look(step.link) };
      case 'bind':
        return { did: 'bind', outcome: await this.#bind(step.link) };
      case 'let-go':
        this.#settle(step.fate);
    }
    return { did: 'let-go' };
  }

  async #choose(): Promise<ReservedLink> {
    const { alias, judgeAsFirst, findLink } = this.#request;
    judgeAsFirst();
    const found = findLink && (await this.#awayAt(ANOTHER, findLink));
    if (found !== undefined) return found;
    if (alias === undefined) this.#drawn = await this.#options.drawKey();
    const key = alias ?? (this.#drawn as DrawnKey).key;
    return { key, requestId: this.#options.ids.next(), createdAt: new Date() };
  }

  async #look(link: ReservedLink): Promise<LinkState> {
    const server = this.#options.serverOf(link.key);
    const found = await this.#awayAt(server.db.name, async () => readable(server).findLink(link.key));
    const { link: asked, bindableMs = Number.POSITIVE_INFINITY } = this.#request;
    const isStale = found === undefined && Date.now() - link.createdAt.getTime() > bindableMs;
    if (isStale) return 'stale';
    return stateOfLink(found, link, { longUrl: asked.longUrl, isOwned: asked.userId !== null });
  }

  async #bind(link: ReservedLink): Promise<'bound' | 'taken'> {
    const server = this.#options.serverOf(link.key);
    writable(server);
    const unbound = await this.#request.linkToBind?.(link.key);
    return this.#awayAt(server.db.name, async () => this.#options.bind(this.#rowOf(link, unbound)));
  }

  /** Work for which the request waits for another server than that of the reservation. */
  async #awayAt<T>(server: string, work: () => Promise<T>): Promise<T> {
    const home = this.#server.db.name;
    this.#waitsFor = server;
    const result = await this.#options.places.awayFrom(home, server, work);
    this.#waitsFor = home;
    return result;
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

  #rowOf({ key, requestId, createdAt }: ReservedLink, unbound = this.#request.link): LinkRow | OwnedRow {
    const fixed = { key, slot: this.#options.slotOf(key), requestId, createdAt };
    const row = { ...unbound, ...fixed };
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
