import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
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

  static async start(): Promise<PrivateServer> {
    const dir = join(testFolder(), `private-${randomBytes(3).toString('hex')}`);
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
    let texts: string[] = [];
    let characters = 0;
    const flush = async (): Promise<void> => {
      if (texts.length > 0)
        await this.db.execute(`INSERT INTO ${table} VALUES (${texts.join('),(')})`, [], {
          timeoutMs: LONG_MS,
        });
      texts = [];
      characters = 0;
    };
    for (const row of rows) {
      count += 1;
      texts.push(row);
      characters += row.length;
      if (characters > TEXT_CHARACTERS) await flush();
    }
    await flush();
    return count;
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
    await none.execute('CREATE DATABASE urls');
    await none.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close();
    await this.#server.stop();
  }
}
