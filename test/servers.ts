import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import zookeeper from 'node-zookeeper-client';
import { findStartTime } from '../scripts/servers/identity.ts';
import { forgetLog, showLogOfFailure } from './recent-log.ts';
import { LocalServices } from './servers/local.ts';
import { startS3, type S3Server } from './servers/s3.ts';
import type { Ensemble, MysqlServer, RedisServer, Services } from './servers/services.ts';

/*
 * Real servers for tests. Each mocha process has its own set. A server starts when a test first needs it, and
 * all of them stop after the last test, or when the mocha process ends for whatever reason.
 *
 * They are local processes, or containers with SERVICES=containers. A test of a local child process itself
 * (its files, its port before it starts) starts one with scripts/servers and passes it to `stopAtEnd`; it is
 * always local. An S3 server is always local too.
 */

const PREFIX = 'keymill-test-';
const REDIS_SERVERS = 4;
const REDIS_DATABASES = 512;

interface Stoppable {
  stop(): Promise<void>;
}

let folder: string | undefined;
const started: Promise<Stoppable>[] = [];
/** They use servers, and stop before them. */
const users: Promise<AsyncDisposable>[] = [];
const redisServers: Promise<RedisServer>[] = [];
let chosen: Promise<Services> | undefined;
let mysqlServer: Promise<MysqlServer> | undefined;
let ensemble: Promise<Ensemble> | undefined;
let redisDatabases = 0;
let sharedS3: Promise<S3Server> | undefined;
let s3Servers = 0;

export interface TestMysql {
  /** The URL of a database on the test server. The database need not exist. */
  url(database: string): string;
}

/** Starts the servers of this run as SERVICES says. */
export async function testServices(): Promise<Services> {
  chosen ??= (async () => {
    const { SERVICES: kind = 'local' } = process.env;
    if (kind === 'local') return new LocalServices(testFolder);
    if (kind !== 'containers') throw new Error(`SERVICES=${kind}: must be local or containers`);
    // Loaded only when needed: the library and its client take half a second.
    const { ContainerServices } = await import('./servers/containers.ts');
    return ContainerServices.open();
  })();
  return chosen;
}

/** The folder of this test run. It is deleted at the end. */
export function testFolder(): string {
  if (folder !== undefined) return folder;
  removeFoldersOfDeadRuns();
  folder = join(tmpdir(), `${PREFIX}${process.pid}-${randomBytes(3).toString('hex')}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Stops a test's own server at the end of the run, if the test has not. */
export async function stopAtEnd<T extends Stoppable>(server: Promise<T>): Promise<T> {
  started.push(server);
  return server;
}

/** For what several test files share: disposes of it at the end of the run, before the servers stop. */
export async function disposeAtEnd<T extends AsyncDisposable>(user: Promise<T>): Promise<T> {
  users.push(user);
  return user;
}

/** The MariaDB server of this run. */
export async function testMysql(): Promise<TestMysql> {
  mysqlServer ??= (async () => (await testServices()).startMysql({ id: 'mysql' }))();
  return mysqlServer;
}

/** Creates an empty database with a unique name that begins with `name`. @returns its URL */
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
 * Empty logical databases for one test. They are spread over four servers, so that up to four are as
 * independent as real shards, also for publish and subscribe. No two calls get the same database.
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

/** The ensemble of this run, with a new empty chroot. */
export async function testZooKeeper(): Promise<{ connect: string }> {
  ensemble ??= (async () => (await testServices()).startZooKeeper({ id: 'zookeeper' }))();
  const { connect } = await ensemble;
  const chroot = `/test-${randomBytes(4).toString('hex')}`;
  await createNode(connect, chroot);
  return { connect: `${connect}${chroot}` };
}

/**
 * The S3 server of this run, with the name of a bucket that nobody else uses and that does not exist yet. No
 * test may break this server.
 */
export async function testS3(): Promise<{ server: S3Server; bucket: string }> {
  sharedS3 ??= startS3Server();
  return { server: await sharedS3, bucket: `test-${randomBytes(6).toString('hex')}` };
}

/** An S3 server of one's own, which may be broken. It takes some seconds and 230 MB. It stops at the end. */
export async function startS3Server({ cuttable = false } = {}): Promise<S3Server> {
  s3Servers += 1;
  return stopAtEnd(startS3(testFolder(), `s3-${s3Servers}`, cuttable));
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

/** Deletes the folders of killed runs. Their servers have ended with them. */
function removeFoldersOfDeadRuns(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && findStartTime(Number(pid)) === undefined) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

export const mochaHooks = {
  beforeEach: forgetLog,
  afterEach(this: Mocha.Context): void {
    showLogOfFailure(this);
  },
  async beforeAll(this: Mocha.Context): Promise<void> {
    // It may have to start an engine and make images.
    this.timeout(900_000);
    await testServices();
  },
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    for (const user of users) await (await user)[Symbol.asyncDispose]();
    const servers = await Promise.allSettled(started);
    await Promise.all(
      servers.map(async (server) => (server.status === 'fulfilled' ? server.value.stop() : undefined)),
    );
    await (await chosen)?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  },
};
