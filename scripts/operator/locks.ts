import type { Command } from 'commander';
import { isCoordinationError } from '../../coordinator/errors.ts';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { releaseLock } from '../../coordinator/lock-view.ts';
import { lockPath } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { messageOf } from '../../runtime/errors.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import {
  bare,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { locksBlock } from './blocks.ts';
import { askOnly, CHANGE_DEADLINE_MS } from './sources/ask.ts';
import { readCoordination, withSession } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { lockEntries, lockEntry } from '../../coordinator/overview/lock-entries.ts';
import { noteStrangers } from './sources/strangers.ts';

export function addLocksCommand(program: Command, terminal: Terminal): void {
  const locks = program
    .command('locks')
    .description(
      'Shows which producer holds which keys-db. A lock that no producer of ours made is "foreign".',
    )
    .helpCommand(false)
    .option('--json', `${ONE_JSON_DOCUMENT}: {"locks":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => showLocks(terminal, json === true));
  locks
    .command('release')
    .summary('delete the lock of a shard')
    .description(
      'Deletes the lock of a shard, such as a foreign one that blocks the producers. The holder notices and stops, ' +
        'and the next producer takes over with a higher epoch. No key is lost, and the stores refuse further writes of ' +
        'the old holder.',
    )
    .argument('<shard>', 'such as keys-db-1')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"released":{"shard","owner",…}}`)
    .action(async (shard: string, { json }: { json?: true }) => release(terminal, shard, json === true));
}

async function showLocks(terminal: Terminal, isJson: boolean): Promise<void> {
  const { config } = findCluster(terminal.env);
  const coordination = await askOnly('zookeeper', (signal) => readCoordination(config.zookeeper, signal));
  const shards = config.stores.keysDbs.map(({ name }) => name);
  const locks = lockEntries(shards, coordination.locks);
  if (isJson) printJson(terminal, { locks, unreachable: [] });
  else printLines(terminal, bare(locksBlock(locks, Date.now())));
  noteStrangers(terminal, shards, coordination);
}

async function release(terminal: Terminal, shard: string, isJson: boolean): Promise<void> {
  if (shard === '' || shard.includes('/'))
    throw new UsageError(`"${shard}" is no shard. Give its name, such as keys-db-1`);
  const { config } = findCluster(terminal.env);
  const remove = async (session: Session): Promise<LockHolder | undefined> => {
    try {
      return await releaseLock(session, shard);
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) return undefined;
      if (!isCoordinationError(error, 'NOT_EMPTY')) throw error;
      throw new RefusedError(
        `${messageOf(error)}. No producer makes such a node. To delete all of it: keymill zk deleteall ${lockPath(shard)}`,
        error,
      );
    }
  };
  const holder = await askOnly(
    'zookeeper',
    (signal) => withSession(config.zookeeper, signal, remove),
    CHANGE_DEADLINE_MS,
  );
  if (holder === undefined) throw new RefusedError(`no producer holds ${shard}: nothing was released`);
  const released = lockEntry(shard, holder);
  if (isJson) printJson(terminal, { released });
  else printLines(terminal, [`released ${shard}; its holder was ${released.owner ?? 'unknown'}`]);
}
