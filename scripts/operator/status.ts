import type { Command } from 'commander';
import { producerEntries } from '../../coordinator/overview/producer-entries.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import {
  alarmsBlock,
  keysDbsBlock,
  locksBlock,
  mappersBlock,
  poolsBlock,
  producersBlock,
  reservedAliasesBlock,
} from './blocks.ts';
import { blockerEntries, refusedEntries, unheldEntries } from '../../coordinator/overview/alarms.ts';
import { Inquiry } from './sources/ask.ts';
import { readCounter } from './sources/counter-state.ts';
import { findCluster } from './sources/find-cluster.ts';
import { urlsDbEntries } from '../../db/overview/gone-back.ts';
import { readKeysDbs } from './sources/keys-dbs.ts';
import { lockEntries } from '../../coordinator/overview/lock-entries.ts';
import { readMappers } from './sources/members.ts';
import { askForMembers } from './sources/membership.ts';
import { readPools } from './sources/pool-levels.ts';
import { readReservedAliases } from './sources/reserved-aliases.ts';
import { noteStrangers, NOTHING_KNOWN } from './sources/strangers.ts';
import { counterBlock, smallClusterBlock } from './small-cluster.ts';

export function addStatusCommand(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .description('Shows locks, pools, producers, mappers and keys-dbs of the cluster on one screen.')
    .option('--json', ONE_JSON_DOCUMENT)
    .action(async ({ json }: { json?: true }) => {
      const { config } = findCluster(terminal.env);
      const { stores } = config;
      const keyspace = createKeyspace(stores.keys);
      const inquiry = new Inquiry();
      const isSmall = config.zookeeper === undefined;
      const coordinationAsked = askForMembers(inquiry, config);
      const keysDbsAsked = readKeysDbs(inquiry, stores, keyspace);
      // Reads the levels from Redis while the watermarks are read from ZooKeeper.
      const poolsAsked = readPools(inquiry, { ...stores, keyspace }, coordinationAsked);
      const counterAsked = readCounter(inquiry, stores, keyspace);
      const reservedAliasesAsked = readReservedAliases(inquiry, stores);
      const coordination = (await coordinationAsked) ?? NOTHING_KNOWN;
      const mappersAsked = readMappers(coordination);
      const shards = stores.keysDbs.map(({ name }) => name);
      const { keysDbs, alarms } = await keysDbsAsked;
      const status = {
        locks: lockEntries(shards, coordination.locks),
        pools: await poolsAsked,
        counter: await counterAsked,
        producers: producerEntries(coordination),
        mappers: await mappersAsked,
        keysDbs,
        urlsDbs: urlsDbEntries(
          stores.urlsDbs.map(({ name }) => name),
          alarms,
        ),
        unheld: isSmall || coordination === NOTHING_KNOWN ? [] : unheldEntries(shards, coordination),
        refused: refusedEntries(coordination),
        recyclingBlocked: blockerEntries(coordination),
        reservedAliases: await reservedAliasesAsked,
        unreachable: inquiry.unreachable,
      };
      if (json) printJson(terminal, status);
      else {
        printLines(
          terminal,
          [
            ...(isSmall ? [] : locksBlock(status.locks, Date.now(), coordination !== NOTHING_KNOWN)),
            ...(isSmall ? [] : poolsBlock(status.pools)),
            ...(isSmall ? [] : producersBlock(status.producers)),
            ...mappersBlock(status.mappers),
            ...counterBlock(status.counter),
            ...(isSmall ? [] : keysDbsBlock(status.keysDbs)),
            ...reservedAliasesBlock(status.reservedAliases),
            ...alarmsBlock(status),
            ...(isSmall ? smallClusterBlock() : []),
          ].slice(0, -1),
        );
      }
      noteStrangers(terminal, shards, coordination);
      inquiry.report(terminal);
    });
}
