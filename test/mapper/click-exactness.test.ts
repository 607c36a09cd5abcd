import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { Connection } from '../../bench/load/connection.ts';
import { formatRequest } from '../../bench/load/requests.ts';
import { DIMENSIONS } from '../../db/clicks/dimensions.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { bindOwned, rowsOf } from '../db/clicks-fixture.ts';
import { IS_LONG } from '../long.ts';
import { stopAtEnd, testDatabase, testServices } from '../servers.ts';
import { AS_OPERATOR } from '../admin-token.ts';
import { send } from './client.ts';
import { viaProxy, type Proxied } from './faulty.ts';
import { startMapperProcess, type MapperProcess, type MapperStores } from './mapper-process.ts';
import { createWorld, randomKeys } from './world.ts';

const log = createLog('test', 'exactness', 'silent');

const REDIRECTS = IS_LONG ? 1_000_000 : 12_000;
const KEYS = 24;
const OWNERS = [7_001n, 7_002n, null];
/** To each mapper. */
const CONNECTIONS = 4;

/** Who follows, and what is known of him. DNT: nothing. */
const VISITORS: readonly { headers: string; isBot?: boolean; values: Record<string, string> }[] = [
  {
    headers:
      'User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\nAccept-Language: de-DE,de;q=0.9\r\nReferer: https://news.example/a\r\nCF-IPCountry: DE\r\n',
    values: {
      browser: 'Chrome',
      os: 'Windows',
      device: 'desktop',
      language: 'de',
      referrer: 'news.example',
      country: 'DE',
    },
  },
  {
    headers:
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\nAccept-Language: es\r\nCF-IPCountry: ES\r\n',
    values: {
      browser: 'Firefox',
      os: 'Linux',
      device: 'desktop',
      language: 'es',
      country: 'ES',
    },
  },
  {
    headers: 'User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\r\n',
    isBot: true,
    values: {},
  },
  {
    headers:
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\nDNT: 1\r\n',
    values: {},
  },
];

/** A row of a table, or its sum: a name, humans and bots. */
type Row = readonly (string | number)[];

/** Both urls servers: the first can go down, and flushes to the second can lose their answers. */
interface Stage extends AsyncDisposable {
  readonly stores: MapperStores;
  readonly first: Fallible;
  readonly proxied: Proxied;
  readonly sqls: readonly Mysql[];
  readonly env: Record<string, string>;
}

/** A urls server that can go down and come back. */
interface Fallible extends AsyncDisposable {
  readonly url: string;
  /** Past any proxy. */
  readonly directUrl: string;
  down(): Promise<void>;
  up(): Promise<void>;
}

async function openKillable(): Promise<Fallible> {
  const services = await testServices();
  const server = await stopAtEnd(services.startMysql({ id: 'mysql-clicks', durable: true }));
  const url = server.url('urls_clicks');
  return {
    url,
    directUrl: url,
    down: async () => server.kill(),
    up: async () => server.restart(),
    [Symbol.asyncDispose]: async () => server.stop(),
  };
}

/** A server of its own would take longer to start than all the rest. */
async function openSilenceable(): Promise<Fallible> {
  const directUrl = await testDatabase('urls-1');
  const { url, proxy } = await viaProxy({ name: 'urls-1', url: directUrl });
  return {
    url,
    directUrl,
    down: async () => {
      proxy.silence();
      proxy.cut();
    },
    up: async () => proxy.heal(),
    [Symbol.asyncDispose]: async () => proxy.stop(),
  };
}

async function openStage(): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await createWorld({ databases: 1, hasUsers: true }));
  const fallible = IS_LONG ? await openKillable() : await openSilenceable();
  stack.use(fallible);
  const [first, second] = [fallible.directUrl, await testDatabase('urls-2')];
  for (const url of [first, second]) await migrate(url, 'urls', log);
  const proxied = await viaProxy({ name: 'urls-2', url: second });
  stack.defer(async () => proxied.proxy.stop());
  const urls = [
    { name: 'urls-1', url: fallible.url, slots: ALL_SLOTS.slice(0, 16) },
    { ...proxied, slots: ALL_SLOTS.slice(16) },
  ];
  const sqls = [first, second].map((url) => openMysql(url, { name: 'test' }));
  for (const sql of sqls) stack.defer(async () => sql.close());
  const opened = stack.move();
  return {
    stores: { redis: world.redis, urls },
    first: fallible,
    proxied,
    sqls,
    env: {
      KEYMILL_PROCESSES: '2',
      KEYMILL_USERS_DB: world.usersUrl,
      KEYMILL_CLICK_FLUSH_MS: '200',
      KEYMILL_TRUSTED_PROXIES: '127.0.0.0/8',
      KEYMILL_COUNTRY_HEADER: 'CF-IPCountry',
    },
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}

/** What the clients saw: how often each visitor was redirected by each link. */
class Seen {
  readonly #clicks = new Map<string, number[]>();

  add(key: string, visitor: number): void {
    const counts = this.#clicks.get(key) ?? VISITORS.map(() => 0);
    counts[visitor] = (counts[visitor] ?? 0) + 1;
    this.#clicks.set(key, counts);
  }

  /** As rows of a table: name of the subject, and what `count` makes of each visitor. */
  #sum(toNames: (key: string, visitor: number) => string[]): Row[] {
    const sums = new Map<string, [humans: number, bots: number]>();
    for (const [key, counts] of this.#clicks)
      for (const [visitor, count] of counts.entries())
        for (const name of count === 0 ? [] : toNames(key, visitor)) {
          const sum = sums.get(name) ?? [0, 0];
          sum[VISITORS[visitor]?.isBot === true ? 1 : 0] += count;
          sums.set(name, sum);
        }
    return [...sums].map(([name, sum]) => [name, ...sum]).sort(byName);
  }

  totals(): Row[] {
    return this.#sum((key) => [key]);
  }

  values(): Row[] {
    return this.#sum((key, visitor) => valuesOf(visitor).map((value) => `${key} ${value}`));
  }

  owners(ownerOf: (key: string) => bigint | null): Row[] {
    return this.#sum((key) => (ownerOf(key) === null ? [] : [String(ownerOf(key))]));
  }
}

function valuesOf(visitor: number): string[] {
  return Object.entries(VISITORS[visitor]?.values ?? {}).map(([name, value]) => `${name}=${value}`);
}

/** Rows of a table of all urls servers, added up by what `toName` makes of them. */
async function sumRows(
  sqls: readonly Mysql[],
  table: string,
  toName: (row: Row) => string | undefined,
): Promise<Row[]> {
  const sums = new Map<string, [humans: number, bots: number]>();
  for (const sql of sqls)
    for (const row of await rowsOf(sql, table)) {
      const name = toName(row);
      if (name === undefined) continue;
      const [humans, bots] = row.slice(-2) as [number, number];
      const sum = sums.get(name) ?? [0, 0];
      sums.set(name, [sum[0] + humans, sum[1] + bots]);
    }
  return [...sums].map(([name, sum]) => [name, ...sum]).sort(byName);
}

describe('clicks over two mappers of two processes each', () => {
  const children: ChildProcess[] = [];

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  const start = async (stage: Stage, id: string): Promise<MapperProcess> =>
    startMapperProcess(stage.stores, (child) => children.push(child), { ...stage.env, KEYMILL_ID: id });

  /** Follows links one after another on some connections. */
  async function followMany(
    { url }: MapperProcess,
    { keys, seen, redirects }: { keys: readonly string[]; seen: Seen; redirects: number },
  ): Promise<void> {
    const requests = VISITORS.map(({ headers }) =>
      keys.map((key) => formatRequest(url, `/${key}`, undefined, headers)),
    );
    let sent = 0;
    const followOn = async (): Promise<void> => {
      const connection = await Connection.open(url);
      while (sent < redirects) {
        const turn = sent++;
        const [visitor, at] = [turn % VISITORS.length, (turn * 7 + (turn >> 5)) % keys.length];
        const { status } = await connection.ask(requests[visitor]?.[at] ?? '');
        if (status === 302) seen.add(keys[at] ?? '', visitor);
      }
      connection.close();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, followOn));
  }

  it('are exact by link, value and owner, though a urls server goes down, answers are cut, and mappers stop', async () => {
    await using stage = await openStage();
    const keys = randomKeys(KEYS);
    const ownerOf = (key: string): bigint | null => OWNERS[keys.indexOf(key) % OWNERS.length] ?? null;
    const mappers = await Promise.all([start(stage, 'mapper-1'), start(stage, 'mapper-2')]);
    // A mapper records first which slots a server has.
    for (const key of keys) await bindOwned(stage.sqls[slotOf(key) < 16 ? 0 : 1] as Mysql, key, ownerOf(key));
    const seen = new Seen();
    const part = Math.ceil(REDIRECTS / 6);
    const run = async (redirects: number): Promise<unknown> =>
      Promise.all(
        mappers.map(async (mapper) => followMany(mapper, { keys, seen, redirects: redirects / 2 })),
      );
    await run(part);
    let cuts = 0;
    const { proxy } = stage.proxied;
    const cutting = setInterval(() => proxy.cutBeforeReplyTo((sent) => isFlush(sent) && ++cuts > 0), 100);
    await run(part);
    const killing = (async (): Promise<void> => {
      await stage.first.down();
      await run(part);
      await stage.first.up();
    })();
    await run(part);
    await killing;
    // One mapper stops as soon as its last redirect was answered, and comes back.
    const lost = await unresolvedOf(mappers[1]);
    mappers[1].child.kill('SIGTERM');
    await followMany(mappers[0], { keys, seen, redirects: part });
    await expectStopped(mappers[1]);
    mappers[1] = await start(stage, 'mapper-2');
    await run(part);
    clearInterval(cutting);
    expect(cuts).to.be.above(3);
    const unresolved = (await Promise.all(mappers.map(unresolvedOf))).reduce(
      (sum, count) => sum + count,
      lost,
    );
    for (const { child } of mappers) child.kill('SIGTERM');
    for (const mapper of mappers) await expectStopped(mapper);
    await expectStored(stage.sqls, { seen, ownerOf, unresolved });
  }).timeout(IS_LONG ? 1_800_000 : 300_000);
});

/** A mapper that cannot store all clicks in its last seconds says so, and fewer are stored than were seen. */
async function expectStopped({ exited, log: told }: MapperProcess): Promise<void> {
  expect(await exited).to.equal(0);
  expect(told()).not.to.include('clicks of some keys could not be stored');
}

/**
 * How many clicks a mapper has counted as those of humans without a look at them, because it had too much to
 * do.
 */
async function unresolvedOf({ admin }: MapperProcess): Promise<number> {
  const { text } = await send('GET', `${admin}/metrics`, { headers: AS_OPERATOR });
  return Number(/^keymill_clicks_unresolved_total (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** @param unresolved so many clicks may be without values, and those of bots may count as those of humans */
async function expectStored(
  sqls: readonly Mysql[],
  { seen, ownerOf, unresolved }: { seen: Seen; ownerOf: (key: string) => bigint | null; unresolved: number },
): Promise<void> {
  const first = (row: Row): string => String(row[0]);
  const isOwned = ([key]: Row): boolean => ownerOf(String(key)) !== null;
  const counts: [table: string, expected: Row[], toName: (row: Row) => string | undefined][] = [
    ['click_totals', seen.totals(), first],
    ['click_hours', seen.totals(), first],
    ['owner_hours', seen.owners(ownerOf), first],
    [
      'owner_values',
      seen.totals().filter(isOwned),
      ({ 1: dimension, 3: key }) => (dimension === DIMENSIONS.link ? String(key) : undefined),
    ],
  ];
  for (const [table, expected, toName] of counts) {
    const stored = await sumRows(sqls, table, toName);
    expect(stored.map(withSum), table).to.deep.equal(expected.map(withSum));
    expectNearly(stored, expected, unresolved);
  }
  expectNearly(await sumRows(sqls, 'click_values', nameOfValue), seen.values(), unresolved);
}

function byName([a]: Row, [b]: Row): number {
  return String(a) < String(b) ? -1 : 1;
}

function withSum([name, humans, bots]: Row): [string, number] {
  return [String(name), Number(humans) + Number(bots)];
}

/** Exact, when all clicks were resolved. */
function expectNearly(stored: readonly Row[], expected: readonly Row[], unresolved: number): void {
  if (unresolved === 0) {
    expect(stored).to.deep.equal(expected);
    return;
  }
  const storedOf = new Map(stored.map((row) => [row[0], row]));
  expect([...storedOf.keys()].filter((name) => !expected.some((row) => row[0] === name))).to.deep.equal([]);
  let missing = 0;
  for (const [name, humans, bots] of expected) {
    const row = storedOf.get(name) ?? [name, 0, 0];
    const [lessHumans, lessBots] = [Number(humans) - Number(row[1]), Number(bots) - Number(row[2])];
    expect(lessBots, `bots of ${name}`).to.be.within(0, unresolved);
    expect(lessHumans, `humans of ${name}`).to.be.within(-lessBots, unresolved);
    missing += lessBots;
  }
  expect(missing).to.be.at.most(unresolved * Object.keys(DIMENSIONS).length);
}

function nameOfValue({ 0: key, 1: dimension, 3: value }: Row): string | undefined {
  const name = Object.keys(DIMENSIONS)[Number(dimension) - 1] ?? '';
  const isTold = !['browser', 'os', 'device'].includes(name) || !isBotValue(String(value));
  return isTold ? `${key} ${name}=${value}` : undefined;
}

/** What a bot says of its browser is not told here. */
function isBotValue(value: string): boolean {
  return !['Chrome', 'Firefox', 'Windows', 'Linux', 'desktop'].includes(value);
}

/** The beginning of a flush in MySQL's text protocol. */
function isFlush(sent: Buffer): boolean {
  return sent[4] === 3 && sent.toString('latin1', 5, 22) === 'START TRANSACTION';
}
