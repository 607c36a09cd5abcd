import type { Command } from 'commander';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import type { UrlsDbConfig } from '../../runtime/config/stores.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { formatCount } from '../../runtime/terminal/units.ts';
import { CHANGE_DEADLINE_MS, Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';
import { withKeysDb } from './sources/keys-dbs.ts';

/** A keys-db that recycles no key of the urls server up to this id. */
interface Recorded {
  readonly keysDb: string;
  readonly claimedTo: number;
}

export function addUrlsCommand(program: Command, terminal: Terminal): void {
  const urls = program
    .command('urls')
    .description('Tells the keys-dbs about changes of a urls server.')
    .helpCommand(false);
  urls
    .command('restored')
    .summary('say that a urls server was restored: recycle nothing issued before now')
    .description(
      'Says that a urls server was restored from a backup, or replaced by a replica. Every key that was issued before now ' +
        'and whose link belongs on that server is written off if it is found nowhere: it may have been published, so it is ' +
        'never given to another link. It also ends the alarm that this server has gone back.',
    )
    .addHelpText(
      'after',
      '\nRun it after the server was restored. Producers notice most restores by themselves;\n' +
        'the command is safe beside them, while they are down, and more than once. It asks\n' +
        'neither the urls server nor ZooKeeper. Run it again if a keys-db did not answer.',
    )
    .argument('<name>', 'the name of the urls server in KEYMILL_URLS_DBS, such as urls-1')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"urlsDb","keysDbs":[…],"unreachable":[]}`)
    .action(async (name: string, { json }: { json?: true }) => {
      const { stores } = findCluster(terminal.env).config;
      const urlsDb = requireUrlsDb(stores.urlsDbs, name);
      const keyspace = createKeyspace(stores.keys);
      const inquiry = new Inquiry();
      const answers = await Promise.all(
        stores.keysDbs.map(async (config) =>
          inquiry.ask(
            config.name,
            () => withKeysDb(config, keyspace, (keysDb) => record(keysDb, urlsDb)),
            CHANGE_DEADLINE_MS,
          ),
        ),
      );
      const keysDbs = answers.filter((answer) => answer !== undefined);
      const { unreachable } = inquiry;
      if (json) printJson(terminal, { urlsDb: name, keysDbs, unreachable });
      else
        printLines(
          terminal,
          keysDbs.map(
            ({ keysDb, claimedTo }) =>
              `${keysDb}: recycles no key of ${name} up to id ${formatCount(claimedTo)} any more`,
          ),
        );
      inquiry.report(terminal);
      // The holders of the keys-dbs that did not answer may still recycle.
      if (unreachable.length > 0) terminal.exitCode = 2;
    });
}

function requireUrlsDb(urlsDbs: readonly UrlsDbConfig[], name: string): UrlsDbConfig {
  const found = urlsDbs.find((urlsDb) => urlsDb.name === name);
  if (found) return found;
  const names = urlsDbs.map((urlsDb) => urlsDb.name).join(', ');
  throw new UsageError(`there is no urls server "${name}"; the cluster has ${names}`);
}

async function record(keysDb: KeysDb, { name, slots }: UrlsDbConfig): Promise<Recorded> {
  await keysDb.verify();
  const request = { urlsDb: name, slots, kind: 'restored', reason: 'an operator said so' } as const;
  return { keysDb: keysDb.name, claimedTo: await keysDb.recordWriteOff(request) };
}
