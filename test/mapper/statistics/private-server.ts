import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createConnection, type Connection, type ResultSetHeader } from 'mysql2/promise';
import { cpuMsOf } from '../../../bench/world/cpu.ts';
import { migrate } from '../../../db/mysql/migrate.ts';
import { openMysql, type Mysql } from '../../../db/mysql/mysql.ts';
import { createLog } from '../../../runtime/log.ts';
import { MARIADB_USER, startMariaDb, type MariaDbOptions } from '../../../scripts/servers/mariadb.ts';
import type { RunningServer } from '../../../scripts/servers/process.ts';
import { stopAtEnd, testFolder } from '../../servers.ts';

const LONG_MS = 300_000;
/** Of one INSERT, about. */
const TEXT_CHARACTERS = 400_000;
/** Of one LOAD DATA, about: as much as a socket takes at a time, while the next ones are written. */
const LOADED_CHARACTERS = 1_000_000;

/** A MariaDB server for much data, with one urls database. It can be restarted with nothing in memory. */
export class PrivateServer implements AsyncDisposable {
  readonly url: string;
  readonly db: Mysql;
  readonly #options: MariaDbOptions;
  #server: RunningServer;

  private constructor(options: MariaDbOptions, server: RunningServer) {
    this.#options = { ...options, port: server.port };
    this.#server = server;
    this.url = `mysql://${MARIADB_USER}:${options.password}@127.0.0.1:${server.port}/urls`;
    this.db = openMysql(this.url, { name: 'urls-1', connections: 1 });
  }

  /** @param dir stays, and may have been filled by an earlier run; default: it is deleted at the end */
  static async start(
    dir = join(testFolder(), `private-${randomBytes(3).toString('hex')}`),
  ): Promise<PrivateServer> {
    const options: MariaDbOptions = {
      id: 'mysql-statistics',
      dir,
      logFile: `${dir}.log`,
      password: randomBytes(12).toString('hex'),
      bufferPool: '1G',
      redoLog: '1G',
      flushLogAtCommit: 0,
      // After a start, the server would read in the background what was in memory before.
      extraArgs: ['--innodb-buffer-pool-load-at-startup=OFF', '--innodb-doublewrite=OFF'],
    };
    const server = new PrivateServer(options, await stopAtEnd(startMariaDb(options)));
    await server.#create();
    await migrate(server.url, 'urls', createLog('test', 'statistics', 'silent'));
    return server;
  }

  /** Stores rows in the order of the primary key. Each row is the text of its values. */
  async insert(table: string, rows: Iterable<string>): Promise<number> {
    let count = 0;
    for (const some of inPieces(rows, TEXT_CHARACTERS)) {
      count += some.length;
      await this.db.execute(`INSERT INTO ${table} VALUES (${some.join('),(')})`, [], { timeoutMs: LONG_MS });
    }
    return count;
  }

  /**
   * As `insert`, in half of the time and over a connection of its own, so that several may run. A value is a
   * number, or a text in quotes. `onStored` is called with a number of rows.
   */
  async load(
    table: string,
    rows: Iterable<string>,
    onStored: (rows: number) => void = () => undefined,
  ): Promise<void> {
    const connection = await createConnection({ uri: this.url, flags: ['+LOCAL_FILES'] });
    let sending = Promise.resolve();
    try {
      for (const some of inPieces(rows, LOADED_CHARACTERS)) {
        await sending;
        sending = sendRows(connection, table, some).then(() => onStored(some.length));
      }
      await sending;
    } finally {
      connection.destroy();
    }
  }

  /** Bytes of tables by the server's account, indexes and free space included. */
  async bytesOf(tables: string): Promise<number> {
    const sql = `SELECT CAST(SUM(data_length + index_length) AS UNSIGNED) AS bytes FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name LIKE ?`;
    const names = await this.db.query<{ name: string }>(
      'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE ?',
      [tables],
    );
    for (const { name } of names) await this.db.query(`ANALYZE TABLE ${name}`, [], { timeoutMs: LONG_MS });
    const [row] = await this.db.query<{ bytes: number | string | null }>(sql, [tables]);
    return Number(row?.bytes ?? 0);
  }

  /** Restarts it, and takes its files out of the page cache. */
  async restartCold(): Promise<void> {
    await this.#server.stop();
    const dir = join(this.#options.dir, 'data', 'urls');
    for (const name of await readdir(dir))
      await promisify(execFile)('dd', [`if=${join(dir, name)}`, 'iflag=nocache', 'count=0']);
    this.#server = await stopAtEnd(startMariaDb(this.#options));
  }

  /** CPU time that it has used since it was started. */
  get cpuMs(): number {
    return cpuMsOf([this.#server.pid]);
  }

  async #create(): Promise<void> {
    const none = openMysql(this.url.replace(/urls$/, ''), { name: 'urls-1', connections: 1 });
    await none.execute('CREATE DATABASE IF NOT EXISTS urls');
    await none.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close();
    await this.#server.stop();
  }
}

function* inPieces(rows: Iterable<string>, maxCharacters: number): Generator<string[]> {
  let piece: string[] = [];
  let characters = 0;
  for (const row of rows) {
    piece.push(row);
    characters += row.length;
    if (characters <= maxCharacters) continue;
    yield piece;
    piece = [];
    characters = 0;
  }
  if (piece.length > 0) yield piece;
}

async function sendRows(connection: Connection, table: string, rows: readonly string[]): Promise<void> {
  const [name = '', columns = ''] = table.split(/ (?=\()/u);
  const [{ affectedRows, warningStatus }] = await connection.query<ResultSetHeader>({
    sql: `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${name} CHARACTER SET ascii
      FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\\'' ESCAPED BY '' ${columns}`,
    infileStreamFactory: () => Readable.from([Buffer.from(`${rows.join('\n')}\n`, 'latin1')]),
  });
  // It leaves rows out that it cannot store, or changes them, and is content.
  if (affectedRows !== rows.length || warningStatus > 0)
    throw new Error(`${name}: ${affectedRows} of ${rows.length} rows were stored, ${warningStatus} warnings`);
}
