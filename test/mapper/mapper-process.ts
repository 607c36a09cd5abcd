import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { messageOf } from '../../runtime/errors.ts';
import { identityOf } from '../../scripts/servers/identity.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { until } from '../until.ts';

/** A mapper in a process of its own, as `up` starts it. */
export interface MapperProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly admin: string;
  /** What it has logged so far. */
  readonly log: () => string;
  readonly exited: Promise<number | null>;
}

/** The stores of a mapper: those of a world, or others. */
export interface MapperStores {
  readonly redis: readonly { readonly name: string; readonly url: string }[];
  readonly urls: readonly {
    readonly name: string;
    readonly url: string;
    readonly slots: readonly number[];
  }[];
}

/** The keyspace of a mapper process. */
export const MAPPER_KEYS = { length: 8, secret: 'a secret for tests only', regionBits: 10 };

/** The variables of a mapper on these stores. */
export function mapperEnvironment({ redis, urls }: MapperStores): Record<string, string | undefined> {
  return {
    PATH: process.env['PATH'],
    KEYMILL_ID: 'mapper-1',
    KEYMILL_REDIS: redis.map(({ name, url }) => `${name}=${url}`).join(','),
    KEYMILL_URLS_DBS: urls
      .map(({ name, url, slots }) => `${name}:${slots[0]}-${slots.at(-1)}=${url}`)
      .join(','),
    KEYMILL_KEYS_DBS: 'keys-db-1=mysql://nobody:x@127.0.0.1:1/keys_db_1',
    KEYMILL_KEY_SECRET: MAPPER_KEYS.secret,
    KEYMILL_ZOOKEEPER: '127.0.0.1:1',
    KEYMILL_HTTP_PORT: '0',
    KEYMILL_ADMIN_TOKEN: ADMIN_TOKEN,
  };
}

/**
 * Starts `mapper/main.ts` on these stores. Resolves when it serves.
 * @param onSpawn gets the process immediately, so that the caller can kill it also when the start fails
 */
export async function startMapperProcess(
  stores: MapperStores,
  onSpawn: (child: ChildProcess) => void,
  env: Record<string, string> = {},
  main = 'mapper/main.ts',
): Promise<MapperProcess> {
  const child = spawn(process.execPath, [main], {
    env: { ...mapperEnvironment(stores), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onSpawn(child);
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const line = await until(
    'the mapper to serve, or to end',
    () => {
      const found = output.split('\n').find((candidate) => candidate.includes('mapper serves'));
      return found ?? (hasEnded() ? '' : undefined);
    },
    { timeoutMs: 90_000 },
  ).catch((error: unknown) => {
    throw new Error(`${messageOf(error)}; its log: ${output}`, { cause: error });
  });
  if (line === '') throw new Error(`the mapper ended before it served: ${output}`);
  const { url, admin } = JSON.parse(line) as { url: string; admin: string };
  return { child, url, admin, log: () => output, exited };
}

/** The processes of a mapper of several. */
export function processesOf({ child }: MapperProcess): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === child.pid && identityOf(pid) !== undefined);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
