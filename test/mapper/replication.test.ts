import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect } from 'chai';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { migrate } from '../../db/mysql/migrate.ts';
import { toReplication } from '../../db/urls/replication.ts';
import { complaintAbout } from '../../mapper/urls/replica.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { MARIADB_OPERATOR, startMariaDb } from '../../scripts/servers/mariadb.ts';
import type { RunningServer } from '../../scripts/servers/process.ts';
import { stopAtEnd, testFolder } from '../servers.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const log = createLog('test', 'replication', 'silent');

/** A server with a binary log, so that it can be replicated. */
async function startServer(number: number, password: string): Promise<RunningServer> {
  const id = `replicating-${number}`;
  const dir = join(testFolder(), id);
  const extraArgs = ['--log-bin=log', `--server-id=${number}`];
  return stopAtEnd(
    startMariaDb({ id, dir, logFile: `${dir}.log`, password, extraArgs, flushLogAtCommit: 0 }),
  );
}

describe('a replica kept by the replication of MariaDB', () => {
  const password = randomBytes(12).toString('hex');
  let world: World;
  let primary: RunningServer;
  let follower: Connection;
  let writer: TestMapper;
  let reader: TestMapper;

  before(async function () {
    this.timeout(120_000);
    world = await createWorld({ shards: 1 });
    const [first, second] = await Promise.all([startServer(1, password), startServer(2, password)]);
    primary = first;
    const url = (server: RunningServer): string =>
      `mysql://${MARIADB_OPERATOR}:${password}@127.0.0.1:${server.port}/urls`;
    follower = await createConnection(url(second).replace(/urls$/, ''));
    await follower.query(
      `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${first.port}, MASTER_USER = '${MARIADB_OPERATOR}',
       MASTER_PASSWORD = '${password}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`,
    );
    await follower.query('START SLAVE');
    await migrate(url(first), 'urls', log);
    const stores = { urlsDbs: [{ name: 'urls-1', url: url(first), slots: ALL_SLOTS }] };
    writer = await world.start({ stores });
    reader = await world.start({
      stores,
      urlsReplicas: [{ server: 'urls-1', url: url(second) }],
      cache: { maxBytes: 1, ttlMs: 5_000 },
    });
    await until('the replica', async () => (await degraded()) === '[]', { timeoutMs: 30_000 });
  });

  after(async function () {
    this.timeout(60_000);
    await follower.end();
    await world[Symbol.asyncDispose]();
  });

  async function degraded(): Promise<string> {
    return JSON.stringify((await send('GET', `${reader.adminUrl}/readyz`)).json()['degraded']);
  }

  async function follow(key: string): Promise<number> {
    return (await send('GET', `${reader.url}/${key}`)).status;
  }

  async function create(alias: string): Promise<void> {
    const { status } = await shorten(writer.url, { long_url: 'https://example.com/', custom_alias: alias });
    expect(status).to.equal(201);
  }

  async function isCopied(alias: string): Promise<boolean> {
    const [rows] = await follower.query<RowDataPacket[]>('SELECT 1 FROM urls.urls WHERE unique_id = ?', [
      alias,
    ]);
    return rows.length === 1;
  }

  it('is not asked while its replication is stopped, and is asked again afterwards', async () => {
    await create('before-the-stop');
    await until('the copy', async () => isCopied('before-the-stop'));
    await follower.query('STOP SLAVE SQL_THREAD');
    await create('during-the-stop');
    expect(await follow('during-the-stop')).to.equal(302);
    await until('the verdict', async () => (await degraded()) === '["urls-1-replica-1"]');
    expect(await follow('before-the-stop')).to.equal(302);
    await follower.query('START SLAVE');
    await until('the replica', async () => (await degraded()) === '[]');
  }).timeout(60_000);

  it('continues to serve when its primary is gone', async () => {
    await create('before-the-end');
    await until('the copy', async () => isCopied('before-the-end'));
    await primary.stop();
    await until('the verdict', async () => (await degraded()) === '["urls-1"]');
    // The reader received the announcement of the link. It reads the primary for as long as a replica may
    // lag.
    expect(await follow('before-the-end')).to.equal(503);
    await until('the end of that time', async () => (await follow('before-the-end')) === 302);
    for (let read = 0; read < 20; read += 1) expect(await follow('before-the-end')).to.equal(302);
    expect(await follow('never-bound')).to.equal(503);
    const [[status]] = await follower.query<RowDataPacket[]>('SHOW REPLICA STATUS');
    expect(toReplication([status ?? {}])).to.deep.equal({ state: 'cut-off' });
    expect(await degraded()).to.equal('["urls-1"]');
  }).timeout(60_000);
});

describe('the verdict about a replica', () => {
  const MYSQL = { Replica_IO_Running: 'Yes', Replica_SQL_Running: 'Yes', Seconds_Behind_Source: 3 };
  const MARIADB = { Slave_IO_Running: 'Yes', Slave_SQL_Running: 'Yes', Seconds_Behind_Master: 3 };

  for (const [what, rows, expected] of [
    ['nothing said', [], undefined],
    ["MySQL's words", [MYSQL], { state: 'running', lagMs: 3_000 }],
    ["MariaDB's words", [MARIADB], { state: 'running', lagMs: 3_000 }],
    ['an unknown lag', [{ ...MYSQL, Seconds_Behind_Source: null }], { state: 'cut-off' }],
    ['a primary out of reach', [{ ...MARIADB, Slave_IO_Running: 'Connecting' }], { state: 'cut-off' }],
    ['a stopped receiver', [{ ...MARIADB, Slave_IO_Running: 'No' }], { state: 'stopped' }],
    ['a stopped applier', [{ ...MYSQL, Replica_SQL_Running: 'No' }], { state: 'stopped' }],
    [
      'several sources',
      [MYSQL, { ...MYSQL, Seconds_Behind_Source: 9 }, MYSQL],
      { state: 'running', lagMs: 9_000 },
    ],
  ] as const) {
    it(`reads ${what}`, () => expect(toReplication(rows)).to.deep.equal(expected));
  }

  for (const [replication, cutOffMs, isAsked] of [
    [undefined, 0, true],
    [{ state: 'running', lagMs: 5_000 }, 0, true],
    [{ state: 'running', lagMs: 6_000 }, 0, false],
    [{ state: 'cut-off' }, 5_000, true],
    [{ state: 'cut-off' }, 5_001, false],
    [{ state: 'stopped' }, 0, false],
  ] as const) {
    it(`${isAsked ? 'asks' : 'does not ask'} one that is ${JSON.stringify(replication)}, cut off for ${cutOffMs} ms`, () =>
      expect(complaintAbout(replication, cutOffMs, 5_000) === '').to.equal(isAsked));
  }
});
