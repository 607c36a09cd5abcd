import { expect } from 'chai';
import type { ReservedOutcome, ReservedRequest } from '../../../mapper/reservations/reserved-request.ts';
import { until } from '../../until.ts';
import { dedupeRequest, keyedRequest, madeLink, newTarget } from './reserved-requests.ts';
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

/** An Idempotency-Key whose first request finds the link that there is, or makes one for all who ask. */
function findingRequest(world: ReservationsWorld, longUrl: string): ReservedRequest {
  return keyedRequest(longUrl, {
    findLink: async () => {
      const made = madeLink(await world.start().make(dedupeRequest(longUrl)));
      const { key, requestId, createdAt } = made.row;
      return { key, requestId, createdAt, ...(!made.isFirst && { isFound: true }) };
    },
  });
}

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

  it('with a key that has waited for its link too long gets another one', async () => {
    const request = dedupeRequest(newTarget());
    await prepare(request, 'reserved');
    const { key: old } = (await world.reservationOf(request)) as { key: string };
    const reservedMs = Date.now();
    await until('its key to be too old', () => Date.now() - reservedMs > 500);
    const again = madeLink(await world.start().make({ ...request, bindableMs: 500 }));
    expect(again.row.key).to.not.equal(old);
    const repeated = madeLink(await world.start().make(request));
    expect(repeated.row.key).to.equal(again.row.key);
  });

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

describe('a reservation of a link that is found', function () {
  this.timeout(60_000);
  let world: ReservationsWorld;

  before(async () => {
    world = await ReservationsWorld.open();
  });

  after(async () => world[Symbol.asyncDispose]());

  for (const isThere of [false, true])
    it(`is one link after a crash, or a write without an answer, at every step: ${isThere ? 'there was one' : 'there was none'}`, async () => {
      const faults: readonly (WriteFault | 'death')[] = ['death', 'done', 'lost', 'late'];
      for (const fault of faults)
        for (let at = 1, wasFaulty = true; wasFaulty; at += 1) {
          const request = findingRequest(world, newTarget());
          if (isThere) await world.start().make(dedupeRequest(request.link.longUrl));
          let count = 0;
          const onStep = (): void => {
            if (fault === 'death' && (count += 1) === at) throw new Died();
          };
          const faultOf = (): WriteFault => (fault !== 'death' && (count += 1) === at ? fault : 'answered');
          await world
            .start({ onStep, faultOf })
            .make(request)
            .catch(() => undefined);
          wasFaulty = count >= at;
          const first = madeLink(await world.start().make(request));
          for (const late of world.late.splice(0)) await late().catch(() => undefined);
          const second = madeLink(await world.start().make(request));
          expect(second).to.deep.equal({ ...first, isFirst: false });
          expect(first.isFound || !isThere, `${fault} ${at}`).to.equal(true);
          expect(await world.linksTo(request.link.longUrl)).to.have.length(1);
        }
    });

  it('has one first request of many at once, and all say alike whether it was found', async () => {
    for (const isThere of [false, true]) {
      const request = findingRequest(world, newTarget());
      if (isThere) await world.start().make(dedupeRequest(request.link.longUrl));
      const processes = Array.from({ length: 4 }, () => world.start());
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, async (_, index) =>
          madeLink(await (processes[index % 4] as (typeof processes)[0]).make(request)),
        ),
      );
      expect(outcomes.filter(({ isFirst }) => isFirst)).to.have.length(1);
      expect(new Set(outcomes.map(({ row, isFound }) => `${row.key} ${isFound}`)).size).to.equal(1);
      if (isThere) expect(outcomes[0]?.isFound).to.equal(true);
    }
  });
});

function withoutFirst(outcome: ReservedOutcome): unknown {
  return outcome.answer === 'made' ? outcome.row : outcome.answer;
}
