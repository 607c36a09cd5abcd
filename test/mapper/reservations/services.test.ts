import { expect } from 'chai';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { slotOfHash } from '../../../db/reservations/reservation.ts';
import { openCaches } from '../../../mapper/caches.ts';
import { createMapperMetrics } from '../../../mapper/metrics.ts';
import { openService, type Service } from '../../../mapper/service.ts';
import { openStores, type MapperStores } from '../../../mapper/stores.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { errorOf } from '../../db/outcome.ts';
import { until } from '../../until.ts';
import { viaProxy, type Proxied } from '../faulty.ts';
import { newOwner } from '../own-links-fixture.ts';
import { createWorld, type World } from '../world.ts';
import { dedupeRequest, keyedRequest, madeLink, newTarget } from './reserved-requests.ts';

const QUIET = createLog('test', 'reservations', 'silent');
const KEYS = 400;

describe('reservations of four mapper processes', function () {
  this.timeout(60_000);
  let world: World;
  const stack = new AsyncDisposableStack();
  const services: Service[] = [];
  const stores: MapperStores[] = [];
  /** The second urls server, as the fourth process sees it. */
  let away: Proxied;

  before(async () => {
    world = stack.use(await createWorld({ keys: KEYS }));
    const [first, second] = world.urls as [World['urls'][0], World['urls'][0]];
    away = await viaProxy(second);
    stack.defer(async () => away.proxy.stop());
    for (let process = 0; process < 4; process += 1) {
      const urlsDbs = process < 3 ? world.urls : [first, { ...second, url: away.url }];
      await start(world.configOf({ stores: { urlsDbs } }));
    }
  });

  async function start(config: ReturnType<World['configOf']>): Promise<void> {
    const keyspace = createKeyspace(config.stores.keys);
    const registry = createMetrics();
    const metrics = createMapperMetrics(registry);
    const opened = stack.use(await openStores({ config, keyspace, onBatch: () => undefined, log: QUIET }));
    const { pools } = opened;
    const accounts = { hear: () => false, forgetAll: () => undefined };
    const announced = { mayAppear: () => false, accounts, onAnnounced: () => undefined };
    const caches = stack.use(await openCaches({ config, keyspace, pools, ...announced, log: QUIET }));
    services.push(stack.use(openService({ config, stores: opened, caches, registry, metrics, log: QUIET })));
    stores.push(opened);
  }

  after(async () => {
    await Promise.all(services.map(async (service) => service.finish()));
    await stack.disposeAsync();
  });

  function serviceAt(index: number): Service {
    return services[index % services.length] as Service;
  }

  async function rowsOf(target: string): Promise<{ unique_id: string }[]> {
    const found = await Promise.all(
      world.urls.map(async ({ sql }) =>
        sql.query('SELECT unique_id FROM urls WHERE original_url = ?', [target]),
      ),
    );
    return found.flatMap(([rows]) => rows as { unique_id: string }[]);
  }

  /** The keys in pools and in hands, and those that are bound. */
  async function knownKeys(): Promise<number> {
    const levels = await Promise.all(world.redis.map(async ({ client }) => client.llen('keys:available')));
    const held = services.map(({ supply }) => supply.heldKeys().length);
    const bound = await Promise.all(
      world.urls.map(async ({ sql }) => {
        const [rows] = await sql.query(
          "SELECT COUNT(*) AS count FROM urls WHERE unique_id NOT LIKE 'only-%'",
        );
        return (rows as { count: number }[])[0]?.count ?? 0;
      }),
    );
    return [...levels, ...held, ...bound].reduce((sum, count) => sum + count, 0);
  }

  for (const [what, requestOf] of [
    ['find_if_exists', dedupeRequest],
    ['Idempotency-Key', keyedRequest],
  ] as const) {
    it(`200 at once with one ${what}: one link, one is the first, and no key is lost`, async () => {
      const target = newTarget();
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, async (_, index) =>
          serviceAt(index).reservations.make(requestOf(target)),
        ),
      );
      const made = outcomes.map(madeLink);
      expect(new Set(made.map(({ row }) => JSON.stringify({ ...row, userId: null }))).size).to.equal(1);
      expect(made.filter(({ isFirst }) => isFirst)).to.have.length(1);
      expect(await rowsOf(target)).to.deep.equal([{ unique_id: made[0]?.row.key }]);
      // A take or a return may be under way, and its keys are in neither place.
      await until('every key to be free or bound', async () => (await knownKeys()) === 2 * KEYS);
    });
  }

  it('200 at once with one alias and 200 different requests: one link, 199 are told that it is taken', async () => {
    const alias = `only-${Date.now()}`;
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, index) =>
        serviceAt(index).reservations.make(dedupeRequest(newTarget(), { alias })),
      ),
    );
    expect(outcomes.filter(({ answer }) => answer === 'made')).to.have.length(1);
    expect(outcomes.filter(({ answer }) => answer === 'taken')).to.have.length(199);
  });

  it('binds a link with an owner as its own, and answers a repetition after a change with the same row', async () => {
    const owner = newOwner();
    const target = newTarget();
    const own = { userId: owner.userId, title: 'Ours', tags: ['a'], rules: {} };
    const request = keyedRequest(target, { link: { longUrl: target, expiresAt: null, ...own } });
    const first = madeLink(await serviceAt(0).reservations.make(request));
    expect(first.isFirst).to.equal(true);
    const { ownLinks } = serviceAt(1);
    expect(await ownLinks.find(owner, first.row.key)).to.deep.include({ title: 'Ours', tags: ['a'] });
    await ownLinks.change(owner, first.row.key, { title: 'Changed', longUrl: newTarget() });
    const repeated = madeLink(await serviceAt(2).reservations.make(request));
    expect(repeated).to.deep.equal({ ...first, isFirst: false });
    await ownLinks.remove(owner, first.row.key);
    expect(madeLink(await serviceAt(3).reservations.make(request)).row.key).to.equal(first.row.key);
  });

  it('fails while the server of the reserved key is away, and never draws another key', async () => {
    const [, second] = world.urls as [World['urls'][0], World['urls'][0]];
    // A reservation on the server that stays, of a key on the one that goes.
    const isSplit = (target: string): boolean => slotOfHash(dedupeRequest(target).hash) < 16;
    let made;
    do {
      let target = newTarget();
      while (!isSplit(target)) target = newTarget();
      made = madeLink(await serviceAt(0).reservations.make(dedupeRequest(target)));
    } while (!second.slots.includes(slotOf(made.row.key)));
    const request = dedupeRequest(made.row.longUrl);
    await second.sql.query('DELETE FROM urls WHERE unique_id = ?', [made.row.key]);
    away.proxy.silence();
    const { reservations, supply } = serviceAt(3);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const error = await errorOf(reservations.make(request));
      expect(error).to.have.property('code').that.is.oneOf(['STORE_UNAVAILABLE', 'OUTCOME_UNKNOWN']);
    }
    expect(supply.heldKeys()).to.have.length(supply.reserveSize);
    away.proxy.heal();
    await until('the server', () => stores[3]?.servers.all.every(({ isWritable }) => isWritable));
    const again = madeLink(await reservations.make(request));
    expect(again.row.key).to.equal(made.row.key);
    expect(await rowsOf(made.row.longUrl)).to.have.length(1);
  });
});
