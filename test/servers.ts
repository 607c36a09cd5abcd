import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { Redis } from 'ioredis';
import zookeeper from 'node-zookeeper-client';
import { findStartTime } from '../scripts/servers/identity.ts';
import { LocalServices } from './servers/local.ts';
import type { Ensemble, MysqlServer, RedisServer, Services } from './servers/services.ts';

/*
 * Real servers for tests: one private set for each mocha process, started when first asked for, with their data in a folder of their own.
 * They are stopped after the last test, and go when the mocha process ends, however that happens.
 *
 * They are local processes, or with SERVICES=containers containers. A test that is about a local child process as such (its files, its port
 * before it starts) starts one by scripts/servers itself, and has `stopAtEnd` stop it: it is local under both.
 */

const PREFIX = 'keymill-test-';
const REDIS_SERVERS = 4;
const REDIS_DATABASES = 512;

interface Stoppable {
  stop(): Promise<void>;
}

let folder: string | undefined;
const started: Promise<Stoppable>[] = [];
const redisServers: Promise<RedisServer>[] = [];
let chosen: Promise<Services> | undefined;
let mysqlServer: Promise<MysqlServer> | undefined;
let ensemble: Promise<Ensemble> | undefined;
let redisDatabases = 0;

export interface TestMysql {
  /** The URL of a database on the test server; it need not exist. */
  url(database: string): string;
}

/** Who runs the servers of this run: local processes, or containers when SERVICES says so. */
export async function testServices(): Promise<Services> {
  chosen ??= (async () => {
    const { SERVICES: kind = 'local' } = process.env;
    if (kind === 'local') return new LocalServices(testFolder);
    if (kind !== 'containers') throw new Error(`SERVICES=${kind}: it is local or containers`);
    // Loaded only when wanted: the library and its client take half a second.
    const { ContainerServices } = await import('./servers/containers.ts');
    return ContainerServices.open();
  })();
  return chosen;
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
  mysqlServer ??= (async () => (await testServices()).startMysql({ id: 'mysql' }))();
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
      const url = server.url(number);
      const client = new Redis(url, { lazyConnect: true });
      await client.connect();
      await client.flushdb();
      client.disconnect();
      return { name: `redis-${index + 1}`, url };
    }),
  );
}

async function redisServer(index: number): Promise<RedisServer> {
  redisServers[index] ??= (async () =>
    (await testServices()).startRedis({ id: `redis-${index + 1}`, databases: REDIS_DATABASES }))();
  return redisServers[index];
}

/** The ensemble of this run, with a fresh empty chroot. */
export async function testZooKeeper(): Promise<{ connect: string }> {
  ensemble ??= (async () => (await testServices()).startZooKeeper({ id: 'zookeeper' }))();
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
  async beforeAll(this: Mocha.Context): Promise<void> {
    // An engine may have to be started, and images made.
    this.timeout(900_000);
    await testServices();
  },
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    const servers = await Promise.allSettled(started);
    await Promise.all(
      servers.map(async (server) => (server.status === 'fulfilled' ? server.value.stop() : undefined)),
    );
    await (await chosen)?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  },
};
