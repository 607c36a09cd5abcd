import { expect } from 'chai';
import type { ReservedOutcome, ReservedRequest } from '../../../mapper/reservations/reserved-request.ts';
import { dedupeRequest, keyedRequest, newTarget } from './reserved-requests.ts';
import { Died, newAlias, ReservationsWorld, type WriteFault } from './reservations-world.ts';

/** What there is before the request. */
type Before = 'nothing' | 'reserved' | 'made' | 'over' | 'stolen' | 'expired';
const BEFORE: readonly Before[] = ['nothing', 'reserved', 'made', 'over', 'stolen', 'expired'];

const REQUESTS = {
  find_if_exists: (longUrl: string) => dedupeRequest(longUrl),
  'find_if_exists with an alias': (longUrl: string) => dedupeRequest(longUrl, { alias: newAlias() }),
  'Idempotency-Key': (longUrl: string) => keyedRequest(longUrl),
  'Idempotency-Key with an alias': (longUrl: string) => keyedRequest(longUrl, { alias: newAlias() }),
} as const;

describe('a reservation', function () {
  this.timeout(60_000);
  let world: ReservationsWorld;

  before(async () => {
    world = await ReservationsWorld.open();
  });

  after(async () => world[Symbol.asyncDispose]());

  async function prepare(request: ReservedRequest, state: Before): Promise<void> {
    if (state === 'nothing') return;
    await (state === 'reserved' || state === 'stolen'
      ? diesAfter(request, (step) => step === 'insert')
      : world.start().make(request));
    const { key } = (await world.reservationOf(request)) as { key: string };
    if (state === 'stolen') await world.steal(key);
    if (state === 'over') await world.deleteLink(key);
    if (state === 'expired') await world.expire(request);
  }

  /** @returns whether it has died; otherwise it was answered before */
  async function diesAfter(
    request: ReservedRequest,
    isLast: (step: string, count: number) => boolean,
  ): Promise<boolean> {
    let steps = 0;
    const onStep = (step: { do: string }): void => {
      steps += 1;
      if (isLast(step.do, steps)) throw new Died();
    };
    try {
      await world.start({ onStep }).make(request);
      return false;
    } catch (error) {
      if (error instanceof Died) return true;
      throw error;
    }
  }

  /** The same request again, twice: both answers are the same, and right. */
  async function expectOneLink(request: ReservedRequest, state: Before): Promise<void> {
    const first = await world.start().make(request);
    const second = await world.start().make(request);
    for (const late of world.late.splice(0)) await late().catch(() => undefined);
    const third = await world.start().make(request);
    const what = `${state}, ${JSON.stringify(first)}`;
    for (const answer of [second, third])
      expect(withoutFirst(answer), what).to.deep.equal(withoutFirst(first));
    const links = await world.linksTo(request.link.longUrl);
    const living = request.kind === 'dedupe' ? links.filter(({ isDeleted }) => !isDeleted) : links;
    if (first.answer !== 'made') {
      expect(withoutFirst(first), what).to.equal('taken');
      const isTaken = request.alias !== undefined && ['stolen', 'over', 'expired'].includes(state);
      expect(isTaken, what).to.equal(true);
      return;
    }
    const { key, requestId } = first.row;
    expect(links, what).to.deep.include({
      key,
      requestId,
      isDeleted: links.some((link) => link.key === key && link.isDeleted),
    });
    const isOfTwoDays = state === 'expired' && request.alias === undefined;
    expect(living, what).to.have.length(isOfTwoDays ? 2 : 1);
    const reservation = await world.reservationOf(request);
    expect(reservation, what).to.include({ key, requestId });
    expect(world.pool, what).to.not.include(key);
  }

  for (const [name, requestTo] of Object.entries(REQUESTS)) {
    for (const state of BEFORE) {
      // A reservation of `find_if_exists` expires with its link, and then nobody may ask for one.
      if (state === 'expired' && name.startsWith('find_if_exists')) continue;
      it(`with ${name}, ${state} before, is one link after a crash at every step`, async () => {
        for (let steps = 1, hasDied = true; hasDied; steps += 1) {
          const request = requestTo(newTarget());
          await prepare(request, state);
          hasDied = await diesAfter(request, (_, count) => count === steps);
          await expectOneLink(request, state);
        }
      });

      it(`with ${name}, ${state} before, is one link after every write without an answer`, async () => {
        for (const fault of ['done', 'lost', 'late'] as const) {
          for (let write = 1, wasFaulty = true; wasFaulty; write += 1) {
            const request = requestTo(newTarget());
            await prepare(request, state);
            let writes = 0;
            const faultOf = (): WriteFault => ((writes += 1) === write ? fault : 'answered');
            await world
              .start({ faultOf })
              .make(request)
              .catch(() => undefined);
            wasFaulty = writes >= write;
            await expectOneLink(request, state);
          }
        }
      });
    }
  }
});

function withoutFirst(outcome: ReservedOutcome): unknown {
  return outcome.answer === 'made' ? outcome.row : outcome.answer;
}
