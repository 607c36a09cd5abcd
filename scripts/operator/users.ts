import type { Command } from 'commander';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import type { User } from '../../db/accounts/users.ts';
import { openPool } from '../../db/redis/pool.ts';
import { INVALIDATION_CHANNEL } from '../../db/redis/redis-keys.ts';
import { formatIdentityChange } from '../../mapper/auth/identity-change.ts';
import { createUser } from '../../mapper/auth/new-user.ts';
import { createPasswordLink } from '../../mapper/auth/password-link.ts';
import { NO_PASSWORD } from '../../mapper/auth/password-rules.ts';
import type { RedisShardConfig } from '../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { RefusedError } from '../../runtime/terminal/errors.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import {
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { ASK_DEADLINE_MS } from './sources/ask.ts';
import { findCluster, originOf, type Cluster } from './sources/find-cluster.ts';
import { requireEmail, requireUser, withUsersDb } from './sources/users.ts';

interface UserEntry {
  readonly id: string;
  readonly email: string;
  readonly admin: boolean;
  readonly state: 'active' | 'disabled' | 'deleted';
  readonly createdAt: string;
}

interface Options {
  readonly admin?: true;
  readonly undo?: true;
  readonly revokeKeys?: true;
  readonly json?: true;
}

const USER = '{"id","email","admin","state","createdAt"}';

export function addUsersCommand(program: Command, terminal: Terminal): void {
  const users = program
    .command('users')
    .description('Makes accounts, and helps those who have one.')
    .helpCommand(false);
  users
    .command('add')
    .summary('make an account, such as that of the first administrator')
    .description(
      'Makes an account and prints a link with which its owner chooses a password, once and within an hour.',
    )
    .argument('<email>')
    .option('--admin', 'it may do everything, with the links of everybody')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"user":${USER},"link","validUntil"}`)
    .action(async (email: string, options: Options) => add(terminal, email, options));
  users
    .command('list')
    .summary('all accounts, oldest first')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"users":[${USER}]}`)
    .action(async ({ json }: Options) => list(terminal, json === true));
  users
    .command('reset')
    .summary('let somebody choose a new password')
    .description(
      'Prints a link, valid once and for an hour. The old password works until a new one is chosen; then all sessions end.',
    )
    .argument('<email>')
    .option(
      '--revoke-keys',
      'for a password that was guessed: also ends the old password, all sessions and all API keys, immediately',
    )
    .option(
      '--json',
      `${ONE_JSON_DOCUMENT}: {"user":${USER},"link","validUntil"}, with --revoke-keys also {"revokedKeys","notified":[names of Redis servers]}`,
    )
    .action(async (email: string, options: Options) => reset(terminal, email, options));
  users
    .command('disable')
    .summary('refuse the keys and sessions of somebody; the links go on')
    .argument('<email>')
    .option('--undo', 'accept them again')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"user":${USER},"notified":[names of Redis servers]}`)
    .action(async (email: string, options: Options) => disable(terminal, email, options));
}

async function add(terminal: Terminal, given: string, { admin, json }: Options): Promise<void> {
  const email = requireEmail(given);
  const cluster = findCluster(terminal.env);
  await withUsersDb(cluster, async (db) => {
    const names = { firstName: null, middleName: null, lastName: null };
    const user = await createUser(db, { email, password: NO_PASSWORD, isAdmin: admin === true, ...names });
    if (user === undefined) throw new RefusedError(`there is an account with the email ${email} already`);
    await printLink(terminal, { cluster, db, user, isJson: json === true });
  });
}

async function list(terminal: Terminal, isJson: boolean): Promise<void> {
  const entries = await withUsersDb(findCluster(terminal.env), async (db) => {
    const found: UserEntry[] = [];
    for await (const user of db.users.all()) found.push(toEntry(user));
    return found;
  });
  if (isJson) {
    printJson(terminal, { users: entries });
    return;
  }
  const columns = ['EMAIL', 'ID', 'ADMIN', 'STATE', 'SINCE'].map((title) => ({ title }));
  const rows = entries.map(({ id, email, admin, state, createdAt }) => [
    email,
    id,
    admin ? 'yes' : '',
    state,
    createdAt,
  ]);
  printLines(terminal, formatTable(columns, rows));
}

async function reset(terminal: Terminal, email: string, { revokeKeys, json }: Options): Promise<void> {
  const cluster = findCluster(terminal.env);
  await withUsersDb(cluster, async (db) => {
    const user = await requireUser(db, email);
    const ended = revokeKeys === true ? await endAllProofs(cluster, db, user) : undefined;
    await printLink(terminal, { cluster, db, user, ended, isJson: json === true });
  });
}

interface Ended {
  readonly revokedKeys: number;
  /** Names of Redis servers. */
  readonly notified: readonly string[];
}

async function endAllProofs({ config }: Cluster, db: UsersDb, { id }: User): Promise<Ended> {
  let notified: readonly string[] = [];
  let revokedKeys: number;
  try {
    revokedKeys = await db.users.endAllProofs(id, NO_PASSWORD, new Date());
  } finally {
    // Also when the answer was lost: it may have happened.
    notified = await notify(config.stores.redis, id);
  }
  return { revokedKeys, notified };
}

async function disable(terminal: Terminal, email: string, { undo, json }: Options): Promise<void> {
  const cluster = findCluster(terminal.env);
  const isDisabled = undo !== true;
  let notified: readonly string[] = [];
  const user = await withUsersDb(cluster, async (db) => {
    const { id } = await requireUser(db, email);
    try {
      await db.users.setDisabled(id, isDisabled, new Date());
    } finally {
      notified = await notify(cluster.config.stores.redis, id);
    }
    return requireUser(db, email);
  });
  if (json) printJson(terminal, { user: toEntry(user), notified });
  else printLines(terminal, [`${user.email} is ${isDisabled ? 'disabled' : 'active again'}`]);
  noteUnheard(terminal, notified);
}

function noteUnheard(terminal: Terminal, notified: readonly string[]): void {
  if (notified.length === 0)
    note(terminal, 'no Redis could be reached from here: mappers may take 60 s to notice');
}

interface LinkOptions {
  readonly cluster: Cluster;
  readonly db: UsersDb;
  readonly user: User;
  /** What has ended before. */
  readonly ended?: Ended | undefined;
  readonly isJson: boolean;
}

async function printLink(
  terminal: Terminal,
  { cluster, db, user, ended, isJson }: LinkOptions,
): Promise<void> {
  const { path, validUntil } = await createPasswordLink(db, user.id);
  const origin = originOf(terminal.env, cluster);
  const link = (origin ?? '') + path;
  if (isJson)
    printJson(terminal, { user: toEntry(user), link, validUntil: validUntil.toISOString(), ...ended });
  else
    printLines(terminal, [
      ...(ended === undefined
        ? []
        : [
            `API keys of ${user.email} that were revoked: ${ended.revokedKeys}. All sessions and the old password have ended.`,
          ]),
      `${user.email} chooses a password with this link, once and before ${validUntil.toISOString()}:`,
      link,
    ]);
  if (origin === undefined)
    note(terminal, 'the link begins with the address of the service: set KEYMILL_PUBLIC_URL to see it whole');
  if (ended !== undefined) noteUnheard(terminal, ended.notified);
}

/** Lets all mappers ask again who the user is. @returns the names of the Redis servers that took it */
async function notify(shards: readonly RedisShardConfig[], userId: bigint): Promise<string[]> {
  await using stack = new AsyncDisposableStack();
  const pools = shards.map((shard) => stack.use(openPool({ ...shard, log: QUIET_LOG })));
  const notified = await Promise.all(
    pools.map(async (pool) => {
      if (!(await pool.whenConnected(ASK_DEADLINE_MS))) return [];
      const publishing = pool.publish(INVALIDATION_CHANNEL, formatIdentityChange(userId));
      return publishing.then(
        () => [pool.name],
        () => [],
      );
    }),
  );
  return notified.flat();
}

function toEntry({ id, email, isAdmin, disabledAt, deletionAskedAt, createdAt }: User): UserEntry {
  const state = deletionAskedAt !== null ? 'deleted' : disabledAt !== null ? 'disabled' : 'active';
  return { id: String(id), email, admin: isAdmin, state, createdAt: createdAt.toISOString() };
}
