import { expect } from 'chai';
import { openMysql } from '../../db/mysql/mysql.ts';
import { isAboutStore } from '../../db/store-errors.ts';
import { testDatabase, testMysql } from '../servers.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { rejection } from './rejection.ts';
import { startWire, through } from './wire.ts';

describe('a connection to MySQL', () => {
  it('is in UTC and strict, waits at most two seconds for locks, and reads committed rows', async () => {
    await using db = openMysql(await testDatabase('session'), { name: 'db' });
    const [row] = await db.query(
      'SELECT @@time_zone AS zone, @@innodb_lock_wait_timeout AS wait, @@tx_isolation AS isolation, @@autocommit AS autocommit',
    );
    expect(row).to.deep.equal({ zone: '+00:00', wait: 2, isolation: 'READ-COMMITTED', autocommit: 1 });
    await db.execute('CREATE TABLE t (word VARCHAR(3))');
    expect(await rejection(db.execute("INSERT INTO t VALUES ('long')"))).to.have.property(
      'code',
      'STORE_REFUSED',
    );
  });

  it('returns integers beyond 2^53 as text, and accepts bigints', async () => {
    await using db = openMysql(await testDatabase('numbers'), { name: 'db' });
    const large = 2n ** 62n + 1n;
    const [row] = await db.query<{ large: string; small: number }>('SELECT ? AS large, ? AS small', [
      large,
      5n,
    ]);
    expect(row).to.deep.equal({ large: large.toString(), small: 5 });
  });

  it('is destroyed when a statement passes its deadline: the next one runs immediately, on another connection', async () => {
    await using db = openMysql(await testDatabase('deadline'), { name: 'db', connections: 1 });
    const startedAt = ranMs();
    const read = await rejection(db.query('SELECT SLEEP(20)', [], { timeoutMs: 150 }));
    const write = await rejection(db.execute('DO SLEEP(20)', [], { timeoutMs: 150 }));
    expect(read).to.have.property('code', 'STORE_UNAVAILABLE');
    expect(write, 'a write may still happen').to.have.property('code', 'OUTCOME_UNKNOWN');
    expect(await db.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
    expect(ranMs() - startedAt).to.be.below(5_000);
  });

  it('has a server that ends what takes too long, though nobody waits for it any more', async () => {
    const options = { name: 'db', connections: 1, selectLimitS: 0.3 };
    await using db = openMysql(await testDatabase('limited'), options);
    const endless = 'SELECT COUNT(*) FROM seq_1_to_1000000000000 a WHERE a.seq % 3 = 4';
    const error = await rejection(db.query(endless, [], { timeoutMs: 5_000 }));
    expect(error).to.have.property('code', 'STORE_UNAVAILABLE');
    expect(error.message).to.match(/max_statement_time|execution was interrupted/);
    expect(await db.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
  });

  it('has waiters only up to their deadline and as many as the queue holds, and blames no store for it', async () => {
    await using db = openMysql(await testDatabase('queue'), { name: 'db', connections: 1, queueLimit: 1 });
    const busy = rejection(db.query('SELECT SLEEP(20)', [], { timeoutMs: 1_500 }));
    const waiting = rejection(db.execute('DO 1', [], { timeoutMs: 200 }));
    const refused = await rejection(db.execute('DO 1', [], { timeoutMs: 10_000 }));
    expect(refused).to.have.property('code', 'STORE_UNAVAILABLE');
    expect((await waiting).message).to.contain('none was free within 200 ms');
    expect(await waiting, 'it was never sent').to.have.property('code', 'STORE_UNAVAILABLE');
    expect([refused, await waiting].map(isAboutStore)).to.deep.equal([false, false]);
    await busy;
    expect(await db.query('SELECT 1 AS one')).to.have.length(1);
  });

  it('that is lost makes a read unavailable and a write unknown, and is replaced', async () => {
    const url = await testDatabase('lost');
    await using wire = await startWire(url);
    await using db = openMysql(through(wire, url), { name: 'db', connections: 1 });
    await db.execute('CREATE TABLE t (id INT PRIMARY KEY)');
    wire.cutBeforeReplyTo((sent) => sent.includes('SELECT'));
    expect(await rejection(db.query('SELECT 1'))).to.have.property('code', 'STORE_UNAVAILABLE');
    wire.cutBeforeReplyTo((sent) => sent.includes('INSERT'));
    expect(await rejection(db.execute('INSERT INTO t VALUES (1)'))).to.have.property(
      'code',
      'OUTCOME_UNKNOWN',
    );
    expect(await rejection(db.execute('INSERT INTO t VALUES (1)'))).to.have.property('code', 'DUPLICATE_ROW');
  });

  it('to a server that accepts but never sends its greeting fails within the deadline', async () => {
    const url = await testDatabase('mute');
    await using wire = await startWire(url);
    wire.acceptWithoutAnswering();
    await using db = openMysql(through(wire, url), { name: 'db', connectTimeoutMs: 200 });
    const startedAt = ranMs();
    expect(await rejection(db.execute('DO 1'))).to.have.property('code', 'STORE_UNAVAILABLE');
    expect(ranMs() - startedAt).to.be.below(2_000);
    wire.heal();
    await db.execute('DO 1');
  });

  it('to a missing database or table is a mismatch, not an outage', async () => {
    const mysql = await testMysql();
    await using nowhere = openMysql(mysql.url('no_such_database'), { name: 'db' });
    expect(await rejection(nowhere.query('SELECT 1'))).to.have.property('code', 'MISMATCH');
    await using empty = openMysql(await testDatabase('empty'), { name: 'db' });
    expect(await rejection(empty.query('SELECT * FROM nothing'))).to.have.property('code', 'MISMATCH');
  });

  it('that cannot write or commit leaves a write unknown, and a read unavailable', async () => {
    await using db = openMysql(await testDatabase('untold'), { name: 'db' });
    for (const errno of [1026, 1030, 1180]) {
      const signal = `SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${errno}, MESSAGE_TEXT = 'Got error 28'`;
      expect(await rejection(db.execute(signal))).to.have.property('code', 'OUTCOME_UNKNOWN');
      expect(await rejection(db.query(signal))).to.have.property('code', 'STORE_UNAVAILABLE');
    }
  });

  it('never shows its password in an error', async () => {
    const password = 'a-password-nobody-may-see';
    const url = new URL(await testDatabase('denied'));
    url.password = password;
    await using db = openMysql(url.href, { name: 'db' });
    expect((await rejection(db.query('SELECT 1'))).message).to.not.contain(password);
  });

  it('leaves no socket behind after a deadline, also when the server hangs', async () => {
    const url = await testDatabase('hung');
    await using wire = await startWire(url);
    await using db = openMysql(through(wire, url), { name: 'db', connections: 3, connectTimeoutMs: 200 });
    await Promise.all([db.execute('DO 1'), db.execute('DO 1'), db.execute('DO 1')]);
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const before = sockets();
    wire.silence();
    const lost = [1, 2, 3].map(async () => rejection(db.execute('DO 1', [], { timeoutMs: 150 })));
    for (const error of await Promise.all(lost)) expect(error).to.have.property('code', 'OUTCOME_UNKNOWN');
    // The proxy keeps its own ends open while it is silent.
    await until('the three sockets to be gone', () => sockets() <= before - 3);
    wire.heal();
    await db.execute('DO 1');
  });

  it('is closed within a bounded time, also while statements run', async () => {
    const db = openMysql(await testDatabase('closing'), { name: 'db' });
    const running = rejection(db.execute('DO SLEEP(20)', [], { timeoutMs: 30_000 }));
    await until('the statement to run', async () => {
      const sql =
        "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'DO SLEEP%'";
      return (await db.query(sql)).length > 0;
    });
    const startedAt = ranMs();
    await db.close();
    expect(ranMs() - startedAt).to.be.below(2_500);
    expect(await running).to.have.property('code', 'OUTCOME_UNKNOWN');
  });
});
