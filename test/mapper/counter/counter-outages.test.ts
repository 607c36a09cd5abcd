import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { openCounterMarks } from '../../../db/counter/counter-marks.ts';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { IdCounter } from '../../../db/redis/id-counter.ts';
import { CounterMarkWatch } from '../../../mapper/keys/counter-mark-watch.ts';
import { CounterSource } from '../../../mapper/keys/counter-source.ts';
import { Breaker } from '../../../runtime/breaker.ts';
import { COUNTER_BREAKER } from '../../../runtime/config/breakers.ts';
import { createLog } from '../../../runtime/log.ts';
import { startWire } from '../../db/wire.ts';
import { viaProxy, type Proxied } from '../faulty.ts';
import { createWorld, type World } from '../world.ts';

const KEYS = { length: 8, secret: 'a secret for tests', regionBits: 10 };
const REGION = 1_023;
const BATCH = 100_000;
const log = createLog('test', 'counter', 'silent');

describe('keys by counter while the users database is away', () => {
  let world: World;
  let users: Proxied;
  let sql: Connection;
  let stack: AsyncDisposableStack;
  let nowMs = 0;

  before(async () => {
    world = await createWorld({ shards: 1, databases: 1, hasUsers: true });
    sql = await createConnection(world.usersUrl);
  });

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    users = await viaProxy({ name: 'users', url: world.usersUrl });
    stack.defer(async () => users.proxy.stop());
  });

  afterEach(async () => stack.disposeAsync());

  after(async () => {
    await sql.end();
    await world[Symbol.asyncDispose]();
  });

  /** A source without the polls of a mapper: a trial is made when the test says so. */
  async function openSource(onGoneBack = (): void => undefined): Promise<CounterSource> {
    const keyspace = createKeyspace(KEYS);
    const redis = stack.use(
      new IdCounter({ name: 'redis-1', url: world.redis[0]?.url ?? '', keyspace, log }),
    );
    await redis.whenConnected(5_000);
    const marks = openCounterMarks({ url: users.url });
    stack.defer(async () => marks.close());
    const now = (): number => nowMs;
    const ignore = (): void => undefined;
    const issued = { recordCounter: ignore };
    return new CounterSource({
      keyspace,
      region: REGION,
      redis,
      marks,
      watch: new CounterMarkWatch({ marks, issued, canRaise: true, onGoneBack, log }),
      breaker: new Breaker({ ...COUNTER_BREAKER, now }),
      batches: { first: BATCH, next: () => BATCH },
      findBound: async () => new Set(),
      onBatch: ignore,
      onWasted: ignore,
      now,
      log,
    });
  }

  /** Uses up what a source holds, then tries so often, each time after the cool-down. */
  async function tryInVain(source: CounterSource, trials: number): Promise<void> {
    await source.pool.take(BATCH, { timeoutMs: 3_000, onLateKeys: () => undefined });
    for (let trial = 0; trial < trials; trial += 1) {
      nowMs += COUNTER_BREAKER.maxCoolDownMs + 1;
      await source.poll();
    }
    expect(source.canReserve).to.equal(false);
  }

  async function positions(): Promise<{ mark: number; counter: number }> {
    const [rows] = await sql.query('SELECT reserved_to FROM counter_marks WHERE id = 1');
    const mark = (rows as { reserved_to: number }[])[0]?.reserved_to ?? 0;
    return { mark, counter: Number((await world.redis[0]?.client.get('keymill:counter')) ?? 0) };
  }

  async function expectRecovery(source: CounterSource, before: { mark: number }): Promise<void> {
    nowMs += COUNTER_BREAKER.maxCoolDownMs + 1;
    await source.poll();
    expect(source.canReserve).to.equal(true);
    const { mark, counter } = await positions();
    expect(mark, 'the mark afterwards').to.be.within(before.mark + BATCH, before.mark + 4 * BATCH);
    expect(counter, 'the counter afterwards').to.equal(mark);
  }

  it('say that their mark has gone back when they reserve a batch, and move it past all again', async () => {
    let noticed = 0;
    const source = await openSource(() => (noticed += 1));
    await source.poll();
    const before = await positions();
    await sql.query('UPDATE counter_marks SET reserved_to = 1 WHERE id = 1');
    const { keys } = await source.pool.take(BATCH, { timeoutMs: 3_000, onLateKeys: () => undefined });
    await source.poll();
    expect(noticed).to.equal(1);
    const { mark } = await positions();
    expect(mark).to.be.at.least(before.mark + BATCH);
    expect(keys.length).to.equal(BATCH);
  });

  it('do not run away, however often they are tried for', async () => {
    const source = await openSource();
    await source.poll();
    const before = await positions();
    const { port } = users.proxy;
    await users.proxy.stop();
    await tryInVain(source, 200);
    const { mark, counter } = await positions();
    expect(mark).to.equal(before.mark);
    expect(counter - before.counter).to.be.at.most(2 * BATCH);
    users = { ...users, proxy: await startWire(world.usersUrl, port) };
    await expectRecovery(source, before);
  });

  it('do not run away while it answers reads and refuses writes', async function () {
    this.timeout(60_000);
    const source = await openSource();
    await source.poll();
    const before = await positions();
    // As with a full disk: the mark can be read, and an UPDATE of it does not end.
    await sql.query('START TRANSACTION');
    await sql.query('SELECT * FROM counter_marks WHERE id = 1 FOR UPDATE');
    await tryInVain(source, 4);
    const { mark, counter } = await positions();
    await sql.query('ROLLBACK');
    expect(mark).to.equal(before.mark);
    expect(counter - before.counter).to.be.at.most(3 * BATCH);
    await expectRecovery(source, before);
  });
});
