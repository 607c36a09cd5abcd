import { Option, type Command } from 'commander';
import { FORMAT_NAMES } from '../../mapper/import/formats/format.ts';
import { isTimezone } from '../../mapper/import/read-time.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { ONE_JSON_DOCUMENT, type Terminal } from '../../runtime/terminal/terminal.ts';
import { openImportFile, type FileOptions } from './import-file.ts';
import { storeFile, type StoreOptions } from './import-links.ts';
import { JsonReport, TextReport, type Report } from './import-report.ts';
import { findStoredDomains } from './sources/blocked-domains.ts';

interface Options extends FileOptions, StoreOptions {
  readonly dryRun?: true;
  readonly json?: true;
}

export function addImportCommand(program: Command, terminal: Terminal): void {
  program
    .command('import')
    .description(
      'Stores the links of a file, of another shortener or of our own export, and says of every record that it ' +
        'does not store why. It may be stopped or killed at any time: the same command goes on, and makes no ' +
        'link twice.',
    )
    .addHelpText(
      'after',
      '\nThe file is read once before anything is stored. A file with a wrong byte, or one that\n' +
        'is cut off, is not stored at all.\n' +
        '\nKEYMILL_PUBLIC_URL, KEYMILL_ALLOW_PRIVATE_TARGETS, KEYMILL_MAX_URL_BYTES and\n' +
        'KEYMILL_BLOCKED_DOMAINS judge the targets, as they do for new links, and so do the domains\n' +
        'that administrators have blocked. --dry-run needs no cluster; it says so when it does not\n' +
        'know these.\n' +
        '\nExit code: 0 every record is stored; 1 some are not, or it was stopped; 2 wrong usage, or\n' +
        'a store did not answer.',
    )
    .argument('<file>')
    .option('--dry-run', 'only read and report')
    .addOption(
      new Option('--from <format>', 'what wrote the file').choices(['auto', ...FORMAT_NAMES]).default('auto'),
    )
    .option('--owner <email>', 'whose links they become; without it they have no owner, and no tags')
    .addOption(
      new Option(
        '--on-conflict <what>',
        'a code that is taken: skip the record; overwrite the link, if it is of the same owner; error: store nothing',
      )
        .choices(['skip', 'overwrite', 'error'])
        .default('skip'),
    )
    .option('--timezone <zone>', 'of times that name none, such as Europe/Berlin')
    .addOption(
      new Option('--date-order <order>', 'of dates such as 12/11/2024').choices(['day-first', 'month-first']),
    )
    .option('--domain <domain>', 'take the links of this domain only')
    .option(
      '--rename <map>',
      'give links whose code cannot be kept a key of ours; the file that will say which',
    )
    .option('--json', `${ONE_JSON_DOCUMENT}: {"outcomes":[…],"summary":{…}}`)
    .action(async (file: string, options: Options) => run(terminal, file, options));
}

async function run(terminal: Terminal, path: string, options: Options): Promise<void> {
  const { timezone, json, dryRun, onConflict, owner } = options;
  if (timezone !== undefined && !isTimezone(timezone))
    throw new UsageError(`there is no time zone "${timezone}"; name one of IANA, such as Europe/Berlin`);
  if (onConflict === 'overwrite' && owner === undefined)
    throw new UsageError('--on-conflict overwrite changes the links of one owner: name him with --owner');
  const report: Report = json === true ? new JsonReport(terminal.stdout) : new TextReport(terminal.stdout);
  if (dryRun !== true) {
    await storeFile(terminal, path, { options, report });
    return;
  }
  const storedDomains = await findStoredDomains(terminal.env);
  const file = await openImportFile(terminal, path, options, { storedDomains });
  const { summary } = await file
    .survey(async (outcomes) => report.add(outcomes))
    .catch(async (error: unknown) => {
      await report.breakOff();
      throw error;
    });
  await report.end(summary);
  if (Object.keys(summary.refused).length > 0) terminal.exitCode = 1;
}
