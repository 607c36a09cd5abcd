import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reserveAnyPort, reservePort } from './ports.ts';
import { ask } from './probe.ts';
import {
  EXITED_WELL,
  StartError,
  startProcess,
  startServer,
  type RunningServer,
  type StartOptions,
} from './process.ts';

/** May do everything but write to a read-only server. There it is refused, as a mapper in production is. */
export const MARIADB_USER = 'keymill';
/** Has all rights. Has the password of {@link MARIADB_USER}. */
export const MARIADB_OPERATOR = 'operator';

/** How many clients may be connected, unless the additional arguments say another number. */
export const MARIADB_CONNECTIONS = 1_000;

/** From here on mariadb-install-db says the same whatever has happened, in 20 lines. */
const INSTALLER_ADVICE = /^Installation of system tables failed/;

export interface MariaDbOptions extends StartOptions {
  readonly id: string;
  /** The folder of the data. It is created when missing. */
  readonly dir: string;
  /** This port or the next free one; without it, any free port. */
  readonly port?: number;
  /** Password of both users: letters and digits. It is set at every start. */
  readonly password: string;
  readonly bufferPool?: string;
  readonly redoLog?: string;
  /** 1: every commit is on disk before it is acknowledged. 0 is for tests that do not check durability. */
  readonly flushLogAtCommit?: 0 | 1;
  readonly extraArgs?: readonly string[];
}

/**
 * Starts a private MariaDB server on the loopback address, with two users.
 * @throws StartError
 */
export async function startMariaDb(options: MariaDbOptions): Promise<RunningServer> {
  const { id, dir } = options;
  const dataDir = join(dir, 'data');
  await mkdir(join(dir, 'tmp'), { recursive: true, mode: 0o700 });
  if (!existsSync(dataDir)) await initialise(options, dataDir);
  const initFile = join(dir, 'init.sql');
  await writeFile(initFile, userStatements(options.password), { mode: 0o600 });
  const reserved = options.port === undefined ? await reserveAnyPort() : await reservePort(options.port);
  const { port } = reserved;
  try {
    return await startServer({
      id,
      port,
      command: 'mariadbd',
      args: serverArgs(options, { dataDir, initFile, port, tmpDir: join(dir, 'tmp') }),
      cwd: dir,
      logFile: options.logFile,
      dieWithParent: options.dieWithParent ?? true,
      // It listens only after the init file has run. Its greeting contains its version.
      probe: async () => (await ask(port, '', (answer) => answer.includes('MariaDB'))) !== undefined,
      readyTimeoutMs: 90_000,
      stopTimeoutMs: 30_000,
      onSpawn: options.onSpawn,
      env: options.env,
      signal: options.signal,
    });
  } finally {
    reserved.release();
  }
}

/**
 * Makes the data directory under another name and renames it, so that a kill never leaves a half-made one
 * under the right name.
 */
async function initialise(options: MariaDbOptions, dataDir: string): Promise<void> {
  const { id, dir, logFile, redoLog = '32M', signal } = options;
  // New names each time: an earlier attempt that was killed may still be writing for a moment. A starting
  // server deletes every temporary table in its tmpdir, also those of another server.
  const fresh = `data.new-${randomBytes(3).toString('hex')}`;
  const tmp = `${fresh}.tmp`;
  await mkdir(join(dir, tmp), { mode: 0o700 });
  await using plain = await plainPathTo(dir);
  const args = [
    '--no-defaults',
    `--datadir=${join(plain.path, fresh)}`,
    `--tmpdir=${join(plain.path, tmp)}`,
    '--skip-test-db',
    // Without it, the installation fails on a machine that cannot resolve its own name.
    '--force',
    '--skip-name-resolve',
    '--auth-root-authentication-method=socket',
    `--innodb-log-file-size=${redoLog}`,
    ...asRoot(),
  ];
  const command = { id, command: 'mariadb-install-db', args, logFile, cwd: dir, env: options.env };
  const installation = await startProcess({ ...command, dieWithParent: options.dieWithParent ?? true });
  // Keeps this process alive until the installation has ended.
  installation.child.ref();
  // It is a shell script, so we kill its whole process group.
  const giveUp = (): void => {
    if (!installation.hasExited()) process.kill(-installation.identity.pid, 'SIGKILL');
  };
  signal?.addEventListener('abort', giveUp, { once: true });
  const how = await installation.exited;
  signal?.removeEventListener('abort', giveUp);
  signal?.throwIfAborted();
  if (how !== EXITED_WELL)
    throw new StartError(id, `its data directory could not be made, ${how}`, logFile, INSTALLER_ADVICE);
  await rename(join(dir, fresh), dataDir);
  await removeAttempts(dir);
}

/** mariadb-install-db fails with a space in a path. Such a path gets a symbolic link without one. */
async function plainPathTo(dir: string): Promise<AsyncDisposable & { readonly path: string }> {
  if (/^[\w./@+-]+$/.test(dir)) return { path: dir, [Symbol.asyncDispose]: async () => undefined };
  const path = join(tmpdir(), `keymill-link-${randomBytes(6).toString('hex')}`);
  await symlink(dir, path);
  return { path, [Symbol.asyncDispose]: async () => rm(path, { force: true }) };
}

async function removeAttempts(dir: string): Promise<void> {
  const attempts = (await readdir(dir)).filter((name) => name.startsWith('data.new-'));
  await Promise.all(
    attempts.map(async (name) =>
      rm(join(dir, name), { recursive: true, force: true }).catch(() => undefined),
    ),
  );
}

/** Without this option, mariadbd refuses to run as root. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}

function userStatements(password: string): string {
  const users = [MARIADB_USER, MARIADB_OPERATOR];
  return [
    `DELETE FROM mysql.global_priv WHERE User NOT IN ('${users.join("', '")}', 'mariadb.sys');`,
    'FLUSH PRIVILEGES;',
    ...users.flatMap((user) => [
      `CREATE USER IF NOT EXISTS '${user}'@'127.0.0.1';`,
      `ALTER USER '${user}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
      `GRANT ALL PRIVILEGES ON *.* TO '${user}'@'127.0.0.1' WITH GRANT OPTION;`,
    ]),
    `REVOKE READ ONLY ADMIN ON *.* FROM '${MARIADB_USER}'@'127.0.0.1';`,
    '',
  ].join('\n');
}

function serverArgs(
  options: MariaDbOptions,
  { dataDir, initFile, port, tmpDir }: { dataDir: string; initFile: string; port: number; tmpDir: string },
): string[] {
  return [
    '--no-defaults',
    `--datadir=${dataDir}`,
    `--tmpdir=${tmpDir}`,
    `--init-file=${initFile}`,
    // Relative to the data directory: the full path may be longer than the limit for sockets (107 bytes).
    '--socket=mariadbd.sock',
    '--pid-file=mariadbd.pid',
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--skip-name-resolve',
    '--skip-log-bin',
    '--sync-binlog=0',
    '--performance-schema=OFF',
    `--innodb-buffer-pool-size=${options.bufferPool ?? '128M'}`,
    `--innodb-log-file-size=${options.redoLog ?? '32M'}`,
    `--innodb-flush-log-at-trx-commit=${options.flushLogAtCommit ?? 1}`,
    '--innodb-fast-shutdown=1',
    `--max-connections=${MARIADB_CONNECTIONS}`,
    '--max-allowed-packet=64M',
    '--character-set-server=utf8mb4',
    ...asRoot(),
    ...(options.extraArgs ?? []),
  ];
}
