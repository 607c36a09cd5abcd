import { expect } from 'chai';
import { KeymillError } from '../../../runtime/errors.ts';
import type { ReservedOutcome, ReservedRequest } from '../../../mapper/reservations/reserved-request.ts';
import { createRandom } from '../../../runtime/random.ts';
import { IS_LONG } from '../../long.ts';
import { dedupeRequest, keyedRequest, newTarget } from './reserved-requests.ts';
import { Died, newAlias, ReservationsWorld, type WriteFault } from './reservations-world.ts';

const SCHEDULES = IS_LONG ? 500 : 8;
const MOST_PROCESSES = 5;
const EVENTS = 40;

/** A request of a process that does one step when it is told to. */
class Puppet {
  readonly beganIn: number;
  outcome: ReservedOutcome | Error | undefined;
  #parked = Promise.withResolvers<void>();
  #go = Promise.withResolvers<void>();

  constructor(
    world: ReservationsWorld,
    request: ReservedRequest,
    changes: number,
    faultOf: () => WriteFault,
  ) {
    this.beganIn = changes;
    const onStep = async (): Promise<void> => {
      this.#go = Promise.withResolvers();
      this.#parked.resolve();
      await this.#go.promise;
    };
    this.#finish(world.start({ onStep, faultOf }).make(request));
  }

  /** Resolves when it has done its step, or has ended. */
  async parked(): Promise<void> {
    await this.#parked.promise;
  }

  async step(): Promise<void> {
    if (this.outcome !== undefined) return;
    this.#parked = Promise.withResolvers();
    this.#go.resolve();
    await this.parked();
  }

  async die(): Promise<void> {
    if (this.outcome !== undefined) return;
    this.#parked = Promise.withResolvers();
    this.#go.reject(new Died());
    await this.parked();
  }

  #finish(answer: Promise<ReservedOutcome>): void {
    void answer
      .then(
        (outcome) => (this.outcome = outcome),
        (error: unknown) => (this.outcome = error as Error),
      )
      .finally(() => this.#parked.resolve());
  }
}

/** One reservation that everything happens to, one thing after another. */
class Schedule {
  readonly #world: ReservationsWorld;
  readonly #random: () => number;
  readonly #request: ReservedRequest;
  readonly #running: Puppet[] = [];
  /** The answers of requests that began and ended between two changes. */
  readonly #answers = new Map<number, string>();
  #started = 0;
  #expiries = 0;
  /** How often requests before and after may get different answers. */
  #changes = 0;

  constructor(world: ReservationsWorld, random: () => number) {
    this.#world = world;
    this.#random = random;
    const alias = random() < 0.25 ? newAlias() : undefined;
    this.#request = (random() < 0.5 ? dedupeRequest : keyedRequest)(newTarget(), { alias });
  }

  async play(): Promise<void> {
    for (let event = 0; event < EVENTS; event += 1) await this.#happen();
    while (this.#running.length > 0) await this.#stepOne();
    for (const late of this.#world.late.splice(0)) await late().catch(() => undefined);
    for (let last = 0; last < 2; last += 1) {
      const answer = await this.#world.start().make(this.#request);
      await this.#judge(answer, this.#changes);
      if (answer.answer === 'taken') expect(this.#request.alias).to.not.equal(undefined);
    }
  }

  async #happen(): Promise<void> {
    const world = this.#world;
    const { kind } = this.#request;
    const chance = this.#random();
    if (chance < 0.6) return this.#stepOne();
    if (chance < 0.7) return this.#pick(this.#running)?.die();
    if (chance < 0.78)
      return void (await world.late
        .pop()?.()
        .catch(() => undefined));
    if (chance < 0.83) return void (await world.prune());
    const reservation = await world.reservationOf(this.#request);
    if (reservation === undefined) return undefined;
    const { key, requestId, isExpired } = reservation;
    if (chance < 0.88) return world.steal(key);
    if (chance < 0.94) {
      const isOurs = (await world.linksTo(this.#request.link.longUrl)).some((link) => link.key === key);
      if (isOurs && (await world.deleteLink(key)) && kind === 'dedupe') this.#changes += 1;
      return undefined;
    }
    // A reservation of `find_if_exists` expires with its link.
    if (kind === 'dedupe' || isExpired) return undefined;
    await world.expire(this.#request);
    expect(await world.reservationOf(this.#request)).to.include({ requestId, isExpired: true });
    this.#expiries += 1;
    this.#changes += 1;
    return undefined;
  }

  /** One process takes a step, a new one perhaps. */
  async #stepOne(): Promise<void> {
    const canStart = this.#started < MOST_PROCESSES;
    let puppet = this.#pick(this.#running);
    if (canStart && (puppet === undefined || this.#random() < 0.2)) {
      this.#started += 1;
      puppet = new Puppet(this.#world, this.#request, this.#changes, () => this.#faultOf());
      this.#running.push(puppet);
      await puppet.parked();
    } else await puppet?.step();
    for (const ended of this.#running.filter(({ outcome }) => outcome !== undefined)) {
      this.#running.splice(this.#running.indexOf(ended), 1);
      await this.#judge(ended.outcome, ended.beganIn);
    }
  }

  #faultOf(): WriteFault {
    const chance = this.#random();
    if (chance < 0.76) return 'answered';
    return chance < 0.84 ? 'done' : chance < 0.92 ? 'late' : 'lost';
  }

  async #judge(outcome: ReservedOutcome | Error | undefined, beganIn: number): Promise<void> {
    if (outcome instanceof Error) {
      if (!(outcome instanceof Died) && !(outcome instanceof KeymillError)) throw outcome;
      return;
    }
    const links = await this.#world.linksTo(this.#request.link.longUrl);
    if (this.#request.kind === 'dedupe')
      expect(links.filter(({ isDeleted }) => !isDeleted)).to.have.length.at.most(1);
    else expect(links).to.have.length.at.most(1 + this.#expiries);
    if (outcome?.answer !== 'made') return;
    const { key, requestId } = outcome.row;
    expect(links.map((link) => `${link.key} ${link.requestId}`)).to.include(`${key} ${requestId}`);
    expect(this.#world.pool).to.not.include(key);
    if (beganIn !== this.#changes) return;
    expect(this.#answers.get(beganIn) ?? requestId).to.equal(requestId);
    this.#answers.set(beganIn, requestId);
  }

  #pick<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.#random() * all.length)];
  }
}

describe('reservations under random schedules', function () {
  this.timeout(1_200_000);

  it(`make one link, ${SCHEDULES} times`, async () => {
    await using world = await ReservationsWorld.open();
    const first = Number(process.env['KEYMILL_TEST_SEED'] ?? Date.now() % 1_000_000_000);
    for (let seed = first; seed < first + SCHEDULES; seed += 1) {
      try {
        await new Schedule(world, createRandom(seed)).play();
      } catch (error) {
        throw new Error(`with KEYMILL_TEST_SEED=${seed}: ${String(error)}`, { cause: error });
      }
    }
  });
});
