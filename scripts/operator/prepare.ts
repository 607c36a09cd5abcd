import type { Command } from 'commander';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';
import { printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';

/** Others may be at the same schema: as long as a migration waits for its turn, and then some. */
const PREPARE_DEADLINE_MS = 120_000;

export function addPrepareCommand(program: Command, terminal: Terminal): void {
  program
    .command('prepare')
    .description(
      'Creates every database that is missing and brings its tables up to date: before the first start and before the first start of a new ' +
        'version, where ./scripts/up does not do it. It may be run at any time, also by several at once; what is right stays as it is.',
    )
    .option('--json', 'one JSON document on stdout: {"prepared":[…],"unreachable":[]}')
    .action(async ({ json }: { json?: true }) => {
      const { keysDbs, urlsDbs, usersDb } = findCluster(terminal.env).config.stores;
      const databases = [
        ...keysDbs.map(({ name, url }) => ({ name, url, kind: 'keys-db' as const })),
        ...urlsDbs.map(({ name, url }) => ({ name, url, kind: 'urls' as const })),
        { name: 'users', url: usersDb.url, kind: 'users' as const },
      ];
      const log = createLog('keymill', 'prepare', 'silent');
      const inquiry = new Inquiry();
      const answers = await Promise.all(
        databases.map(async ({ name, url, kind }) =>
          inquiry.ask(name, async () => migrate(url, kind, log).then(() => name), PREPARE_DEADLINE_MS),
        ),
      );
      const prepared = answers.filter((answer) => answer !== undefined);
      const { unreachable } = inquiry;
      if (json) printJson(terminal, { prepared, unreachable });
      else printLines(terminal, [`up to date: ${prepared.join(', ')}`]);
      inquiry.report(terminal);
      // Whoever waits for it to be done must not go on.
      if (unreachable.length > 0) terminal.exitCode = 2;
    });
}
