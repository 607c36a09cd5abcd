import type { Command } from 'commander';
import { createKeyspace } from '../../db/keyspace/key.ts';
import {
  bare,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { alarmsBlock, poolsBlock } from './blocks.ts';
import { Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';
import { askForMembers } from './sources/membership.ts';
import { readPools } from './sources/pool-levels.ts';

export function addPoolsCommand(program: Command, terminal: Terminal): void {
  program
    .command('pools')
    .description(
      'Shows how many keys are ready on each Redis shard, and the watermarks between which the holders keep each pool.',
    )
    .option('--json', `${ONE_JSON_DOCUMENT}: {"pools":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => {
      const { config } = findCluster(terminal.env);
      const { stores } = config;
      const keyspace = createKeyspace(stores.keys);
      const inquiry = new Inquiry();
      const coordination = askForMembers(inquiry, config);
      const pools = await readPools(inquiry, { ...stores, keyspace }, coordination);
      if (json) printJson(terminal, { pools, unreachable: inquiry.unreachable });
      else
        printLines(terminal, [...bare(poolsBlock(pools)), ...['', ...alarmsBlock({ pools })].slice(0, -1)]);
      inquiry.report(terminal);
    });
}
