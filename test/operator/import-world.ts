import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import type { ImportSummary } from '../../mapper/import-jobs/import-tally.ts';
import type { ImportOutcome } from '../../mapper/import-jobs/stored-outcome.ts';
import { isBindingOfImport, viaProxy } from '../mapper/faulty.ts';
import { mapperEnvironment } from '../mapper/mapper-process.ts';
import { createWorld, type World } from '../mapper/world.ts';
import { until } from '../until.ts';
import { runKeymill, type Outcome } from './run-keymill.ts';

/** What `keymill import --json` says. */
export interface Said {
  readonly outcomes: readonly ImportOutcome[];
  readonly summary: ImportSummary;
}

/** A row of `urls` with what belongs to it, without what differs between two imports of the same file. */
export interface StoredRow {
  readonly code: string | null;
  readonly target: string | null;
  readonly created: string;
  readonly title: string | null;
  readonly tags: string | null;
  readonly humans: string | null;
}

/** Stores for imports, without producers: tests put keys into the pools. */
export interface ImportWorld extends AsyncDisposable {
  readonly world: World;
  readonly env: Record<string, string | undefined>;
  /** Writes a file of this name. @returns its path */
  write(name: string, text: string): Promise<string>;
  /** Makes an account. @returns its id */
  addUser(email: string): Promise<bigint>;
  keymill(...args: string[]): Promise<Outcome>;
  /** Imports a file with `--json`. @throws when the command says that it could not */
  import(...args: string[]): Promise<Said>;
  /**
   * Runs the command in a process of its own.
   * @param killAt kills it when so many batches are done, and at most {@link BATCHES_PAST_KILL} more
   * @returns its exit code; null: it was killed
   */
  importApart(args: readonly string[], killAt?: number): Promise<number | null>;
  query<Row>(sql: string, params?: unknown[]): Promise<Row[]>;
  /** All links, in the order of their targets. */
  links(): Promise<StoredRow[]>;
}

/** However quick the command is, and however late the kill. */
const BATCHES_PAST_KILL = 2;

export async function createImportWorld({ keys = 200 } = {}): Promise<ImportWorld> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await createWorld({ hasUsers: true, keys }));
  const folder = await mkdtemp(join(tmpdir(), 'keymill-import-'));
  stack.defer(async () => rm(folder, { recursive: true, force: true }));
  const env = {
    ...mapperEnvironment(world),
    KEYMILL_USERS_DB: world.usersUrl,
    KEYMILL_PUBLIC_URL: 'https://s.example',
  };
  const query = async <Row>(sql: string, params: unknown[] = []): Promise<Row[]> => {
    const found = await Promise.all(
      world.urls.map(async (server) => server.sql.query<RowDataPacket[]>(sql, params)),
    );
    return found.flatMap(([rows]) => rows as unknown as Row[]);
  };
  const opened = stack.move();
  return {
    world,
    env,
    query,
    write: async (name, text) => {
      const path = join(folder, name);
      await writeFile(path, text);
      return path;
    },
    addUser: async (email) => {
      const { stdout, stderr } = await runKeymill(['users', 'add', email, '--json'], env);
      if (stdout === '') throw new Error(stderr);
      return BigInt((JSON.parse(stdout) as { user: { id: string } }).user.id);
    },
    keymill: async (...args) => runKeymill(args, env),
    import: async (...args) => {
      const { stdout, stderr } = await runKeymill(['import', ...args, '--json'], env);
      if (!stdout.endsWith('}\n')) throw new Error(stderr);
      return JSON.parse(stdout) as Said;
    },
    importApart: async (args, killAt) => {
      const [first, ...others] = world.urls;
      if (first === undefined) throw new Error('a world without urls servers');
      for (;;) {
        const proxied = await viaProxy(first);
        await using _ = proxied.proxy;
        let left = Number.POSITIVE_INFINITY;
        if (killAt !== undefined) {
          // Each batch has a transaction on each server.
          left = killAt - (await countDone(query)) + BATCHES_PAST_KILL;
          proxied.proxy.silenceFrom((sent) => isBindingOfImport(sent) && --left < 0);
        }
        const { KEYMILL_URLS_DBS } = mapperEnvironment({ redis: [], urls: [proxied, ...others] });
        const child = spawn(process.execPath, ['scripts/keymill.ts', 'import', ...args], {
          env: { ...env, KEYMILL_URLS_DBS },
          stdio: 'ignore',
        });
        const exited = once(child, 'exit') as Promise<[number | null]>;
        if (killAt !== undefined) {
          const isTime = async (): Promise<boolean> =>
            child.exitCode !== null || (await countDone(query)) >= killAt;
          await until('the batches to be done', isTime, { timeoutMs: 3_600_000, everyMs: 10 });
          child.kill('SIGKILL');
        }
        const [code] = await exited;
        // Batches that it sent again, on a machine that stood still, used up those that were left.
        if (code === null || left >= 0 || killAt === undefined) return code;
      }
    },
    links: async () => {
      const rows = await query<StoredRow>(
        `SELECT IF(u.alias, u.unique_id, NULL) AS code, COALESCE(u.original_url, u.ruled_url) AS target,
           CAST(u.created_at AS CHAR) AS created, u.title, CAST(t.humans AS CHAR) AS humans,
           (SELECT GROUP_CONCAT(CONVERT(l.tag USING utf8mb4) ORDER BY l.tag SEPARATOR '|') FROM link_tags l
            WHERE l.slot = u.slot AND l.unique_id = u.unique_id) AS tags
         FROM urls u LEFT JOIN click_totals t ON t.slot = u.slot AND t.unique_id = u.unique_id`,
      );
      return rows.sort((a, b) => (a.target ?? '').localeCompare(b.target ?? ''));
    },
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}

async function countDone(query: ImportWorld['query']): Promise<number> {
  const sql = 'SELECT COUNT(*) AS n FROM import_batches WHERE outcome IS NOT NULL';
  return (await query<{ n: number }>(sql)).reduce((sum, { n }) => sum + n, 0);
}

/** A table of many links: half with codes, a third with tags, a quarter with visits, and bad rows. */
export function manyLinks(count: number, { badEvery = 100, prefix = 'code' } = {}): string {
  const lines = ['url,code,title,tags,created_at,humans'];
  for (let i = 0; i < count; i += 1) {
    const url = i % badEvery === badEvery - 1 ? 'no target' : `https://e.example/page/${i}`;
    const code = i % 2 === 0 ? `${prefix}-${i}` : '';
    const tags = i % 3 === 0 ? `tag-${i % 7}|many` : '';
    lines.push(
      `${url},${code},Page ${i},${tags},2024-05-${String((i % 28) + 1).padStart(2, '0')}T10:00:00Z,${i % 4 === 0 ? i : ''}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
