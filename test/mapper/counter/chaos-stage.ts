import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createConnection, type Connection, type ResultSetHeader } from 'mysql2/promise';
import { testFolder } from '../../servers.ts';
import { viaProxy, type Proxied } from '../faulty.ts';
import { startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, type World } from '../world.ts';
import { BrokenRedis } from './broken-redis.ts';

const MAPPERS = 2;
/** Ids by which the mark jumps at least: a largest batch. Between two lifts, fewer are used. */
const SHORTEST_LIFT = 90_000;

/** How far ids were given out at some moment: the mark in the users database, and the counter on Redis. */
interface Position {
  readonly mark: number;
  readonly counter: number;
}

/** Two mappers that get their keys by counter, and everything between them and their stores. */
export class ChaosStage implements AsyncDisposable {
  /** Undefined: killed, and not there again yet. */
  readonly mappers: (MapperProcess | undefined)[] = Array.from({ length: MAPPERS }, () => undefined);
  readonly world: World;
  readonly redis: BrokenRedis;
  readonly toRedis: Proxied;
  readonly toUsers: Proxied;
  readonly toUrls: readonly Proxied[];
  readonly direct: Redis;
  /** How often mark and counter really went back. */
  putBacks = 0;
  readonly #users: Connection;
  readonly #children = new Set<ChildProcess>();
  /** What mark and counter are put back to. */
  #older: Position = { mark: 0, counter: 0 };

  static async open(): Promise<ChaosStage> {
    const world = await createWorld({ shards: 0, hasUsers: true });
    const redis = await BrokenRedis.start('counter-redis');
    const toRedis = await viaProxy({ name: 'redis-1', url: redis.url });
    const toUsers = await viaProxy({ name: 'users', url: world.usersUrl });
    const toUrls = await Promise.all(world.urls.map(viaProxy));
    const users = await createConnection(world.usersUrl);
    const stage = new ChaosStage({ world, redis, toRedis, toUsers, toUrls }, users);
    await Promise.all(stage.mappers.map(async (_, index) => stage.startMapper(index)));
    return stage;
  }

  private constructor(
    parts: Pick<ChaosStage, 'world' | 'redis' | 'toRedis' | 'toUsers' | 'toUrls'>,
    users: Connection,
  ) {
    this.world = parts.world;
    this.redis = parts.redis;
    this.toRedis = { ...parts.toRedis, url: `redis://127.0.0.1:${parts.toRedis.proxy.port}` };
    this.toUsers = parts.toUsers;
    this.toUrls = parts.toUrls;
    this.#users = users;
    this.direct = new Redis(parts.redis.url, {
      retryStrategy: () => 50,
      maxRetriesPerRequest: 3,
      // After a reconnect the driver may forget a command that was in flight.
      commandTimeout: 2_000,
    });
    this.direct.on('error', () => undefined);
  }

  async startMapper(index: number): Promise<void> {
    const urls = this.toUrls.map((proxied, at) => ({ ...proxied, slots: this.world.urls[at]?.slots ?? [] }));
    const env = {
      KEYMILL_ID: `mapper-${index + 1}`,
      KEYMILL_KEY_SOURCE: 'counter',
      KEYMILL_USERS_DB: this.toUsers.url,
      KEYMILL_LOG_LEVEL: 'info',
      // As the launchers do. Without it, a restart takes three times as long.
      NODE_COMPILE_CACHE: join(testFolder(), 'compile-cache'),
    };
    this.mappers[index] = await startMapperProcess(
      { redis: [this.toRedis], urls },
      (child) => {
        this.#children.add(child);
        child.once('exit', () => this.#children.delete(child));
      },
      env,
      'test/mapper/counter/small-batches-main.ts',
    );
  }

  /** @returns false when it is still on its way from the last time */
  async killMapper(index: number): Promise<boolean> {
    const mapper = this.mappers[index];
    if (mapper === undefined) return false;
    this.mappers[index] = undefined;
    mapper.child.kill('SIGKILL');
    await mapper.exited;
    return true;
  }

  async readPosition(): Promise<Position> {
    const [rows] = await this.#users.query('SELECT reserved_to FROM counter_marks WHERE id = 1');
    const [{ reserved_to: mark = 0 } = {}] = rows as { reserved_to?: number }[];
    return { mark, counter: Number((await this.direct.get('keymill:counter').catch(() => 0)) ?? 0) };
  }

  /** What is put back from now on goes back to this moment. */
  async remember(): Promise<void> {
    this.#older = await this.readPosition();
  }

  /**
   * Puts the mark back, and with `isCounterToo` the counter on Redis. Never to before a lift: it leaves a
   * hole, which another lift from below may not see across, and then nothing that is left knows of the keys
   * above it (decision 40). So the statement itself looks at the mark.
   */
  async putBack({ isCounterToo }: { readonly isCounterToo: boolean }): Promise<void> {
    const { mark, counter } = this.#older;
    const sql = 'UPDATE counter_marks SET reserved_to = ? WHERE id = 1 AND reserved_to BETWEEN ? AND ?';
    const [{ affectedRows }] = await this.#users.query<ResultSetHeader>(sql, [
      mark,
      mark + 1,
      mark + SHORTEST_LIFT,
    ]);
    if (affectedRows === 0) return this.remember();
    if (isCounterToo) await this.direct.set('keymill:counter', counter).catch(() => undefined);
    this.putBacks += 1;
  }

  heal(): void {
    for (const { proxy } of [this.toRedis, this.toUsers, ...this.toUrls]) proxy.heal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    this.direct.disconnect();
    await this.#users.end();
    await this.world[Symbol.asyncDispose]();
    for (const { proxy } of [this.toRedis, this.toUsers, ...this.toUrls]) await proxy.stop();
  }
}
