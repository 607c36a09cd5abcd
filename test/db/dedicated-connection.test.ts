import { expect } from 'chai';
import type { DedicatedConnection } from '../../db/mysql/dedicated-connection.ts';
import { ExecutePacket } from '../../db/mysql/execute-packet.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';
import { rejection } from './rejection.ts';
import { startWire, through } from './wire.ts';

const WHO = 'SELECT CONNECTION_ID()';

describe('a dedicated connection to MySQL', () => {
  let url: string;
  let db: Mysql;
  let connection: DedicatedConnection;

  before(async () => {
    url = await testDatabase('dedicated');
    await using admin = openMysql(url, { name: 'admin' });
    await admin.execute('CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(9), at DATETIME(3))');
    await admin.execute("INSERT INTO t VALUES (1, 'one', '2026-11-26 10:00:00.123'), (2, NULL, NULL)");
  });

  beforeEach(() => {
    db = openMysql(url, { name: 'db', connections: 2 });
    connection = db.createDedicatedConnection();
  });

  afterEach(async () => {
    await db.close();
  });

  async function query(sql: string, timeoutMs = 5_000, on = connection): Promise<unknown[][]> {
    return new Promise((resolve, reject) => {
      on.query(sql, timeoutMs, (error, rows) => (error ? reject(error) : resolve(rows as unknown[][])));
    });
  }

  /** `sql` has one parameter, and reads a text, or a text and a time. */
  async function prepared(sql: string, id: number, on = connection): Promise<unknown> {
    const packet = new ExecutePacket(['byte']);
    const toPacket = (statementId: number): Buffer => {
      packet.begin(statementId, 1);
      packet.byte(id);
      return packet.end();
    };
    const kinds = sql.includes(', at ') ? (['text', 'time'] as const) : (['text'] as const);
    return new Promise((resolve, reject) => {
      on.queryPrepared(sql, toPacket, kinds, 5_000, (error, rows) => (error ? reject(error) : resolve(rows)));
    });
  }

  async function write(sql: string, timeoutMs = 5_000, on = connection): Promise<unknown> {
    return new Promise((resolve, reject) => {
      on.write(sql, timeoutMs, (error, result) => (error ? reject(error) : resolve(result)));
    });
  }

  it('sends statements of every kind on one connection, which is set up like those of the pool', async () => {
    const [[first] = []] = await query(WHO);
    expect(await query("SELECT @@time_zone, @@sql_mode LIKE '%STRICT_ALL%'")).to.deep.equal([['+00:00', 1]]);
    expect(await prepared('SELECT word, at FROM t WHERE id = ?', 1)).to.deep.equal([
      ['one', new Date('2026-11-26T10:00:00.123Z')],
    ]);
    expect(await prepared('SELECT word, at FROM t WHERE id = ?', 2)).to.deep.equal([[null, null]]);
    expect(await prepared('SELECT word FROM t WHERE id = ?', 3)).to.deep.equal([]);
    await write('UPDATE t SET word = NULL WHERE id = 2');
    expect(await query(WHO)).to.deep.equal([[first]]);
  });

  it('takes one statement at a time', async () => {
    expect(connection.isFree).to.equal(true);
    const running = query('SELECT SLEEP(0.05)');
    expect(connection.isFree).to.equal(false);
    expect(() => connection.write('DO 1', 1_000, () => undefined)).to.throw(RangeError);
    await running;
    expect(connection.isFree).to.equal(true);
  });

  it('keeps the deadline of each statement, and continues immediately on another connection', async () => {
    const startedAt = performance.now();
    // Leaves a timer behind that is due much later.
    const [[first] = []] = await query(WHO, 20_000);
    expect(await rejection(query('SELECT SLEEP(20)', 150))).to.have.property('code', 'STORE_UNAVAILABLE');
    expect(await rejection(write('DO SLEEP(20)', 150)), 'a write may still happen').to.have.property(
      'code',
      'OUTCOME_UNKNOWN',
    );
    const [[second] = []] = await query(WHO);
    expect(second).to.not.equal(first);
    expect(performance.now() - startedAt).to.be.below(3_000);
  });

  it('waits for a connection only until the deadline, and gives back one that comes too late', async () => {
    await using busy = openMysql(url, { name: 'busy', connections: 1 });
    const waiting = busy.createDedicatedConnection();
    const holder = busy.query('SELECT SLEEP(0.6)');
    const late = await rejection(write('DO 1', 150, waiting));
    expect(late, 'it was never sent').to.have.property('code', 'STORE_UNAVAILABLE');
    await holder;
    expect(await busy.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
  });

  it('that is cut makes a read unavailable and a write unknown, and prepares its statements again', async () => {
    await using wire = await startWire(url);
    await using remote = openMysql(through(wire, url), { name: 'db' });
    const cut = remote.createDedicatedConnection();
    const read = async (): Promise<unknown> => prepared('SELECT word FROM t WHERE id = ?', 1, cut);
    expect(await read()).to.deep.equal([['one']]);
    wire.cutBeforeReplyTo(() => true);
    expect(await rejection(read())).to.have.property('code', 'STORE_UNAVAILABLE');
    expect(await read()).to.deep.equal([['one']]);
    wire.cutBeforeReplyTo((sent) => sent.includes('UPDATE'));
    const lost = await rejection(write('UPDATE t SET word = NULL WHERE id = 2', 5_000, cut));
    expect(lost).to.have.property('code', 'OUTCOME_UNKNOWN');
    expect(await read()).to.deep.equal([['one']]);
  });

  it('connects again when the server ends the connection while no statement is in flight', async () => {
    const [[first] = []] = await query(WHO);
    await using admin = openMysql(url, { name: 'admin' });
    await admin.execute(`KILL CONNECTION ${String(first)}`);
    await until('another connection', async () => {
      const [[now] = []] = await query(WHO).catch(() => [[first]]);
      return now !== first;
    });
  });

  it('reports what the server refuses, and continues', async () => {
    expect(await rejection(query('SELECT * FROM nothing'))).to.have.property('code', 'MISMATCH');
    expect(await rejection(prepared('SELECT * FROM nothing WHERE id = ?', 1))).to.have.property(
      'code',
      'MISMATCH',
    );
    expect(await rejection(write("INSERT INTO t VALUES (1, 'again', NULL)"))).to.have.property(
      'code',
      'DUPLICATE_ROW',
    );
    expect(await prepared('SELECT word FROM t WHERE id = ?', 1)).to.deep.equal([['one']]);
  });
});
