import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { slotOfHash } from '../../../db/reservations/reservation.ts';
import { Places } from '../../../mapper/reservations/places.ts';
import type { ReservedRequest } from '../../../mapper/reservations/reserved-request.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { UPPER } from '../../db/urls-fixture.ts';
import { errorOf } from '../../db/outcome.ts';
import { keyedRequest, madeLink, newTarget } from './reserved-requests.ts';
import { newAlias, ReservationsWorld } from './reservations-world.ts';

/** The requests of one server that may wait in a process. */
const MAX_WAITING = 1_000;

function isUpper(slot: number): boolean {
  return UPPER.includes(slot);
}

/** A request whose reservation is on the upper server, or on the lower one, and its key too. */
function requestTo(reservation: 'lower' | 'upper', key: 'lower' | 'upper'): ReservedRequest {
  for (;;) {
    const request = keyedRequest(newTarget(), { alias: newAlias() });
    const [atReservation, atKey] = [slotOfHash(request.hash), slotOf(request.alias ?? '')];
    if (isUpper(atReservation) === (reservation === 'upper') && isUpper(atKey) === (key === 'upper'))
      return request;
  }
}

describe('a urls server that hangs', function () {
  this.timeout(60_000);
  let world: ReservationsWorld;

  before(async () => {
    world = await ReservationsWorld.open();
  });

  after(async () => world[Symbol.asyncDispose]());

  for (const [what, reservation] of [
    ['their reservations', 'upper'],
    ['their links', 'lower'],
  ] as const)
    it(`holds up the requests that need it for ${what}, and no others`, async () => {
      const { promise: well, resolve: heal } = Promise.withResolvers<void>();
      let waiting = 0;
      const wait = async (slot: number): Promise<void> => {
        if (!isUpper(slot)) return;
        waiting += 1;
        await well;
      };
      const reservations = world.start({ onRead: wait, onBind: wait });
      const hanging: Promise<unknown>[] = [];
      while (hanging.length < MAX_WAITING) {
        for (let more = 0; more < 100; more += 1)
          hanging.push(errorOf(reservations.make(requestTo(reservation, 'upper'))));
        await until('all to wait', () => waiting === hanging.length);
      }
      const refused = await errorOf(reservations.make(requestTo(reservation, 'upper')));
      expect(refused)
        .to.have.property('message')
        .that.equals('urls-2 is unavailable: too many requests wait for it already');
      expect(madeLink(await reservations.make(requestTo('lower', 'lower'))).isFirst).to.equal(true);
      heal();
      await Promise.all(hanging);
    });

  it('is answered after four seconds, also when a link hangs while it is bound; the same request gets it then', async () => {
    const { promise: well, resolve: heal } = Promise.withResolvers<void>();
    const request = requestTo('lower', 'upper');
    const [startedMs, startedRanMs] = [performance.now(), ranMs()];
    const hanging = world.start({ onBind: async () => well });
    const both = await Promise.all([errorOf(hanging.make(request)), errorOf(hanging.make(request))]);
    expect(performance.now() - startedMs).to.be.at.least(3_500);
    expect(ranMs() - startedRanMs).to.be.at.most(5_500);
    for (const error of both)
      expect(error).to.have.property('code').that.is.oneOf(['OUTCOME_UNKNOWN', 'STORE_UNAVAILABLE']);
    heal();
    const made = madeLink(await world.start().make(request));
    expect(made.row.key).to.equal(request.alias);
    expect(await world.linksTo(request.link.longUrl)).to.have.length(1);
  });
});

describe('places', () => {
  it('count a request for the server that it waits for at the moment', async () => {
    const places = new Places(2);
    const { promise, resolve } = Promise.withResolvers<void>();
    const away = places.at('a', async () => places.awayFrom('a', 'b', async () => promise));
    const home = places.at('a', async () => places.awayFrom('a', 'a', async () => promise));
    expect([places.countAt('a'), places.countAt('b')]).to.deep.equal([1, 1]);
    const second = places.at('b', async () => promise);
    const refused = await errorOf(places.at('a', async () => places.awayFrom('a', 'b', async () => promise)));
    expect(refused).to.have.property('code', 'STORE_UNAVAILABLE');
    resolve();
    await Promise.all([away, home, second]);
    expect([places.countAt('a'), places.countAt('b')]).to.deep.equal([0, 0]);
  });
});
