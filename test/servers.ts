import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { Redis } from 'ioredis';
import zookeeper from 'node-zookeeper-client';
import { findStartTime } from '../scripts/servers/identity.ts';
import { MARIADB_USER, startMariaDb } from '../scripts/servers/mariadb.ts';
import { startRedis } from '../scripts/servers/redis.ts';
import { startZooKeeper } from '../scripts/servers/zookeeper.ts';

/*
 * Real servers for tests: one private set for each mocha process, started when first asked for, on free ports, with their data in a
 * folder of their own. They are stopped after the last test, and die with the mocha process however it ends.
 */

const PREFIX = 'keymill-test-';
const REDIS_SERVERS = 4;
const REDIS_DATABASES = 512;

interface Stoppable {
  stop(): Promise<void>;
}

let folder: string | undefined;
const started: Promise<Stoppable>[] = [];
const redisServers: Promise<{ port: number; password: string }>[] = [];
let mysqlServer: Promise<TestMysql> | undefined;
let ensemble: Promise<{ connect: string }> | undefined;
let redisDatabases = 0;

export interface TestMysql {
  /** The URL of a database on the test server; it need not exist. */
  url(database: string): string;
}

/** The folder of this test run; removed at its end. */
export function testFolder(): string {
  if (folder !== undefined) return folder;
  removeFoldersOfDeadRuns();
  folder = join(tmpdir(), `${PREFIX}${process.pid}-${randomBytes(3).toString('hex')}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Stops what a test started for itself at the end of the run, if the test did not. */
export async function stopAtEnd<T extends Stoppable>(server: Promise<T>): Promise<T> {
  started.push(server);
  return server;
}

/** The one MariaDB server of this run. */
export async function testMysql(): Promise<TestMysql> {
  mysqlServer ??= (async () => {
    const password = randomBytes(12).toString('hex');
    const dir = join(testFolder(), 'mysql');
    const logFile = join(testFolder(), 'mysql.log');
    const server = await stopAtEnd(
      startMariaDb({ id: 'mysql', dir, logFile, password, flushLogAtCommit: 0 }),
    );
    return { url: (database) => `mysql://${MARIADB_USER}:${password}@127.0.0.1:${server.port}/${database}` };
  })();
  return mysqlServer;
}

/** Creates an empty database with a name of its own, beginning with `name`; returns its URL. */
export async function testDatabase(name: string): Promise<string> {
  const mysql = await testMysql();
  const unique = `${name.replaceAll('-', '_')}_${randomBytes(4).toString('hex')}`;
  const connection = await createConnection(mysql.url(''));
  try {
    await connection.query(`CREATE DATABASE \`${unique}\``);
  } finally {
    await connection.end();
  }
  return mysql.url(unique);
}

/**
 * Empty logical databases for one test: number i lives on server i of four (counted round), so that up to four are as independent
 * as real shards, publish and subscribe included. No two calls get the same database.
 */
export async function testRedis(count = 1): Promise<{ name: string; url: string }[]> {
  const database = redisDatabases++;
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const round = Math.floor(index / REDIS_SERVERS);
      const server = await redisServer(index % REDIS_SERVERS);
      const number = (database + round * 97) % REDIS_DATABASES;
      const url = `redis://:${server.password}@127.0.0.1:${server.port}/${number}`;
      const client = new Redis(url, { lazyConnect: true });
      await client.connect();
      await client.flushdb();
      client.disconnect();
      return { name: `redis-${index + 1}`, url };
    }),
  );
}

async function redisServer(index: number): Promise<{ port: number; password: string }> {
  redisServers[index] ??= (async () => {
    const password = randomBytes(12).toString('hex');
    const id = `redis-${index + 1}`;
    const dir = join(testFolder(), id);
    const logFile = join(testFolder(), `${id}.log`);
    const server = await stopAtEnd(startRedis({ id, dir, logFile, password, databases: REDIS_DATABASES }));
    return { port: server.port, password };
  })();
  return redisServers[index];
}

/** The ensemble of this run, with a fresh empty chroot. */
export async function testZooKeeper(): Promise<{ connect: string }> {
  ensemble ??= (async () => {
    const dir = join(testFolder(), 'zookeeper');
    await mkdir(dir, { recursive: true });
    return stopAtEnd(
      startZooKeeper({ dir, logFile: (id) => join(testFolder(), `${id}.log`), forceSync: false }),
    );
  })();
  const { connect } = await ensemble;
  const chroot = `/test-${randomBytes(4).toString('hex')}`;
  await createNode(connect, chroot);
  return { connect: `${connect}${chroot}` };
}

async function createNode(connect: string, path: string): Promise<void> {
  const client = zookeeper.createClient(connect, { sessionTimeout: 5000 });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once('connected', () => {
    client.create(path, (error) => {
      client.close();
      if (error) reject(error);
      else resolve();
    });
  });
  client.connect();
  return promise;
}

/** A run that was killed could not remove its folder; its servers died with it. */
function removeFoldersOfDeadRuns(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && findStartTime(Number(pid)) === undefined) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    const servers = await Promise.allSettled(started);
    await Promise.all(
      servers.map(async (server) => (server.status === 'fulfilled' ? server.value.stop() : undefined)),
    );
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  },
};
