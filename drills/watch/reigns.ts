import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { INCARNATION_KEY, producerKey } from '../../db/redis/redis-keys.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { History, ReignEntry } from '../history/history.ts';

interface Named {
  readonly name: string;
  readonly url: string;
}

const EVERY_MS = 100;
const ASK_TIMEOUT_MS = 500;

interface OwnershipRow {
  readonly epoch: number;
  readonly czxid: string;
  readonly owner: string | null;
}

/**
 * Asks every store ten times a second for the newest reign that it has accepted, and writes each change into
 * the history. A store that does not answer is asked again.
 */
export class ReignWatch {
  readonly #history: History;
  readonly #stopping = new AbortController();
  readonly #redis: RedisClient[];
  readonly #mysql: Mysql[];
  readonly #running: Promise<unknown>;

  constructor(redis: readonly Named[], keysDbs: readonly Named[], history: History) {
    this.#history = history;
    const log = QUIET_LOG;
    this.#redis = redis.map(({ name, url }) =>
      openRedis(url, { name, log, commandTimeoutMs: ASK_TIMEOUT_MS }),
    );
    this.#mysql = keysDbs.map(({ name, url }) =>
      openMysql(url, { name, connections: 1, connectTimeoutMs: 1_000 }),
    );
    const shards = keysDbs.map(({ name }) => name);
    this.#running = Promise.all([
      ...this.#redis.map(async (client) => this.#repeat(async (report) => askRedis(client, shards, report))),
      ...this.#mysql.map(async (database) => this.#repeat(async (report) => askKeysDb(database, report))),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all([
      ...this.#redis.map(async (client) => client[Symbol.asyncDispose]()),
      ...this.#mysql.map(async (database) => database.close()),
    ]);
  }

  async #repeat(ask: (report: (seen: Seen) => void) => Promise<void>): Promise<void> {
    const last = new Map<string, string>();
    const report = (seen: Seen): void => {
      const text = JSON.stringify(seen);
      if (last.get(seen.shard) === text) return;
      last.set(seen.shard, text);
      this.#history.append({ op: 'reign', at: this.#history.nowMs, ...seen });
    };
    while (!this.#stopping.signal.aborted) {
      await ask(report).catch(() => undefined);
      await pauseQuietly(EVERY_MS, this.#stopping.signal);
    }
  }
}

type Seen = Omit<ReignEntry, 'op' | 'at'>;

/** Reads epochs, seqs and incarnation of one moment. Separate commands would mix different moments. */
const SNAPSHOT = `local all = { redis.call('GET', KEYS[1]) }
for i = 2, #KEYS do all[i] = redis.call('HMGET', KEYS[i], 'epoch', 'seq') end
return all`;

async function askRedis(
  client: RedisClient,
  shards: readonly string[],
  report: (seen: Seen) => void,
): Promise<void> {
  const keys = [INCARNATION_KEY, ...shards.map(producerKey)];
  const answer = await client.command('EVAL', [SNAPSHOT, keys.length, ...keys]);
  const [incarnation, ...states] = answer as [string | null, ...[string | null, string | null][]];
  shards.forEach((shard, index) => {
    const [epoch, seq] = states[index] ?? [null, null];
    report({
      store: client.name,
      shard,
      epoch: Number(epoch ?? 0),
      seq: Number(seq ?? 0),
      incarnation: incarnation ?? 'none',
    });
  });
}

async function askKeysDb(database: Mysql, report: (seen: Seen) => void): Promise<void> {
  const rows = await database.query<OwnershipRow>(
    'SELECT epoch, CAST(czxid AS CHAR) AS czxid, owner FROM ownership WHERE id = 1',
    [],
    { timeoutMs: ASK_TIMEOUT_MS },
  );
  for (const { epoch, czxid, owner } of rows) {
    report({ store: database.name, shard: database.name, epoch, czxid, owner: owner ?? 'nobody' });
  }
}
