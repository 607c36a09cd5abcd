import type { Command } from 'commander';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { readClusterStatus } from './sources/cluster-status.ts';
import { findCluster } from './sources/find-cluster.ts';
import { noteStrangers } from './sources/strangers.ts';
import { statusBlocks } from './status-blocks.ts';
import { watchStatus } from './watch-status.ts';

interface Options {
  readonly watch?: true;
  readonly json?: true;
}

export function addStatusCommand(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .description('Shows locks, pools, producers, mappers and keys-dbs of the cluster on one screen.')
    .option('--watch', 'again every second, until Ctrl-C')
    .option('--json', `${ONE_JSON_DOCUMENT}; with --watch, one in each line`)
    .action(async ({ watch, json }: Options) => {
      if (watch === true) await watchUntilStopped(terminal, json === true);
      else await show(terminal, json === true);
    });
}

async function show(terminal: Terminal, isJson: boolean): Promise<void> {
  const seen = await readClusterStatus(findCluster(terminal.env));
  if (isJson) printJson(terminal, seen.status);
  else printLines(terminal, statusBlocks(seen, Date.now()).flat().slice(0, -1));
  noteStrangers(terminal, seen.shards, seen.coordination);
  seen.inquiry.report(terminal);
}

async function watchUntilStopped(terminal: Terminal, isJson: boolean): Promise<void> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  // Not once: what gives the cursor back ends the process by the signal when nobody else listens any more.
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    await watchStatus(terminal, { isJson, signal: stopping.signal });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
