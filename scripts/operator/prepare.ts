import type { Command } from 'commander';
import { BLOB_STORE } from '../../db/blobs/blob-errors.ts';
import { prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import type { StoresConfig } from '../../runtime/config/stores.ts';
import { createLog } from '../../runtime/log.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { recordInUrlsDb, verifyKeysDb } from '../cluster/keyspace.ts';
import { Inquiry } from './sources/ask.ts';
import { findCluster } from './sources/find-cluster.ts';

/** Longer than a migration waits for another one that works on the same schema. */
const PREPARE_DEADLINE_MS = 120_000;

export function addPrepareCommand(program: Command, terminal: Terminal): void {
  program
    .command('prepare')
    .description(
      'Creates missing databases, brings their tables up to date, and records in them which keyspace ' +
        '(key length, region bits, secret) they belong to, and which slots each urls server has. Makes the directory or bucket of images. Run it before the first start of every version; ' +
        './scripts/up does it by itself. It may run at any time and several times at once, and changes nothing that is ' +
        'up to date.',
    )
    .option('--json', `${ONE_JSON_DOCUMENT}: {"prepared":[…],"unreachable":[]}`)
    .action(async ({ json }: { json?: true }) => {
      const { stores, blobs } = findCluster(terminal.env).config;
      const { keysDbs, urlsDbs, usersDb } = stores;
      const databases = [
        ...keysDbs.map(({ name, url }) => ({ name, url, kind: 'keys-db' as const })),
        ...urlsDbs.map(({ name, url }) => ({ name, url, kind: 'urls' as const })),
        ...(usersDb === undefined ? [] : [{ name: 'users', url: usersDb.url, kind: 'users' as const }]),
      ];
      const log = createLog('keymill', 'prepare', 'silent');
      const inquiry = new Inquiry();
      const answers = await Promise.all(
        databases.map(async ({ name, url, kind }) =>
          inquiry.ask(name, async () => migrate(url, kind, log).then(() => name), PREPARE_DEADLINE_MS),
        ),
      );
      await recordKeyspace(inquiry, stores, new Set(answers));
      if (blobs !== undefined)
        answers.push(
          await inquiry.ask(
            BLOB_STORE,
            async () => prepareBlobStore(blobs).then(() => BLOB_STORE),
            PREPARE_DEADLINE_MS,
          ),
        );
      const { unreachable } = inquiry;
      const prepared = answers.filter((answer) => answer !== undefined && !unreachable.includes(answer));
      if (json) printJson(terminal, { prepared, unreachable });
      else printLines(terminal, [`up to date: ${prepared.join(', ')}`]);
      inquiry.report(terminal);
      // The caller must not continue with a half-prepared cluster.
      if (unreachable.length > 0) terminal.exitCode = 2;
    });
}

/**
 * Records keyspace and slots in the urls servers, if every keys-db accepts the keyspace.
 * @param migrated the names of the databases whose tables are up to date
 */
async function recordKeyspace(
  inquiry: Inquiry,
  { keys, keysDbs, urlsDbs }: StoresConfig,
  migrated: ReadonlySet<string | undefined>,
): Promise<void> {
  const keyspace = createKeyspace(keys);
  const verified = await Promise.all(
    keysDbs
      .filter(({ name }) => migrated.has(name))
      .map(async (config) =>
        inquiry.ask(
          config.name,
          async () => verifyKeysDb(config, keyspace).then(() => true),
          PREPARE_DEADLINE_MS,
        ),
      ),
  );
  if (verified.filter((isOurs) => isOurs).length < keysDbs.length) return;
  await Promise.all(
    urlsDbs
      .filter(({ name }) => migrated.has(name))
      .map(async (config) =>
        inquiry.ask(config.name, async () => recordInUrlsDb(config, keyspace, urlsDbs), PREPARE_DEADLINE_MS),
      ),
  );
}
