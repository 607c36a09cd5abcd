import type { Command } from 'commander';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';

/** Longer than a migration waits for another one that works on the same schema. */
const PREPARE_DEADLINE_MS = 120_000;

export function addPrepareCommand(program: Command, terminal: Terminal): void {
  program
    .command('prepare')
    .description(
      'Creates missing databases and brings their tables up to date. Run it before the first start of every version; ' +
        './scripts/up does it by itself. It may run at any time and several times at once, and changes nothing that is ' +
        'up to date.',
    )
    .option('--json', `${ONE_JSON_DOCUMENT}: {"prepared":[…],"unreachable":[]}`)
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
      // The caller must not continue with a half-prepared cluster.
      if (unreachable.length > 0) terminal.exitCode = 2;
    });
}
