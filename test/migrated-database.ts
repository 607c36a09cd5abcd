import { randomBytes } from 'node:crypto';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { migrate } from '../db/mysql/migrate.ts';
import { databaseOf } from '../db/mysql/mysql.ts';
import type { DatabaseKind } from '../db/mysql/schema-version.ts';
import { createLog } from '../runtime/log.ts';
import { testDatabase } from './servers.ts';

const log = createLog('test', 'migrate', 'silent');

/** What makes a database of a kind as its migrations do, which run once in a test run. */
const copies = new Map<DatabaseKind, Promise<string>>();

/**
 * Creates a database of our tables. It has a unique name that begins with `name`. All migrations take several
 * times as long as their result.
 * @returns its URL
 */
export async function migratedDatabase(name: string, kind: DatabaseKind): Promise<string> {
  const url = await testDatabase(name);
  const copy = copies.get(kind);
  if (copy === undefined) {
    // Before anybody else writes into it.
    const described = migrate(url, kind, log).then(async () => describe(url));
    copies.set(kind, described);
    await described;
    return url;
  }
  const statements = await copy;
  const connection = await createConnection({ uri: url, multipleStatements: true });
  try {
    await connection.query(statements);
    // By this a urls server that has gone back is recognised: each has its own.
    if (kind === 'urls')
      await connection.query('UPDATE server SET incarnation = ?', [randomBytes(16).toString('hex')]);
  } finally {
    await connection.end();
  }
  return url;
}

/** Statements that make its tables, with the rows that migrations put there. */
async function describe(url: string): Promise<string> {
  const connection = await createConnection(url);
  try {
    const database = connection.escapeId(databaseOf(url));
    const [settings] = await connection.query<RowDataPacket[]>(`SHOW CREATE DATABASE ${database}`);
    const [, options = ''] =
      /DEFAULT (CHARACTER SET .*?) \*\//.exec(String(settings[0]?.['Create Database'])) ?? [];
    const [tables] = await connection.query<RowDataPacket[]>('SHOW TABLES');
    const parts = [`ALTER DATABASE ${options}`, 'SET foreign_key_checks = 0'];
    for (const row of tables) parts.push(...(await describeTable(connection, String(Object.values(row)[0]))));
    return parts.join(';\n');
  } finally {
    await connection.end();
  }
}

async function describeTable(connection: Connection, table: string): Promise<string[]> {
  const name = connection.escapeId(table);
  const [[created]] = await connection.query<RowDataPacket[]>(`SHOW CREATE TABLE ${name}`);
  const [rows] = await connection.query<RowDataPacket[]>(`SELECT * FROM ${name}`);
  const inserts = rows.map((row) => connection.format(`INSERT INTO ${name} SET ?`, [row]));
  return [String(created?.['Create Table']), ...inserts];
}
