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
import { readCoordination } from './sources/coordination.ts';
import { findCluster } from './sources/find-cluster.ts';
import { urlsDbEntries } from '../../db/overview/gone-back.ts';
import { readKeysDbs } from './sources/keys-dbs.ts';
import { lockEntries } from '../../coordinator/overview/lock-entries.ts';
import { readMappers } from './sources/members.ts';
import { readPools } from './sources/pool-levels.ts';
import { readReservedAliases } from './sources/reserved-aliases.ts';
import { noteStrangers, NOTHING_KNOWN } from './sources/strangers.ts';

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
      const coordinationAsked = inquiry.ask('zookeeper', (signal) =>
        readCoordination(config.zookeeper, signal),
      );
      const keysDbsAsked = readKeysDbs(inquiry, stores, keyspace);
      // Reads the levels from Redis while the watermarks are read from ZooKeeper.
      const poolsAsked = readPools(inquiry, { ...stores, keyspace }, coordinationAsked);
      const reservedAliasesAsked = readReservedAliases(inquiry, stores);
      const coordination = (await coordinationAsked) ?? NOTHING_KNOWN;
      const mappersAsked = readMappers(coordination);
      const shards = stores.keysDbs.map(({ name }) => name);
      const { keysDbs, alarms } = await keysDbsAsked;
      const status = {
        locks: lockEntries(shards, coordination.locks),
        pools: await poolsAsked,
        producers: producerEntries(coordination),
        mappers: await mappersAsked,
        keysDbs,
        urlsDbs: urlsDbEntries(
          stores.urlsDbs.map(({ name }) => name),
          alarms,
        ),
        unheld: coordination === NOTHING_KNOWN ? [] : unheldEntries(shards, coordination),
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
            ...locksBlock(status.locks, Date.now(), coordination !== NOTHING_KNOWN),
            ...poolsBlock(status.pools),
            ...producersBlock(status.producers),
            ...mappersBlock(status.mappers),
            ...keysDbsBlock(status.keysDbs),
            ...reservedAliasesBlock(status.reservedAliases),
            ...alarmsBlock(status),
          ].slice(0, -1),
        );
      }
      noteStrangers(terminal, shards, coordination);
      inquiry.report(terminal);
    });
}
