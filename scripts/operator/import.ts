import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { FORMAT_NAMES, type FormatName } from '../../mapper/import/formats/format.ts';
import { LinkReader } from '../../mapper/import/link-reader.ts';
import { isTimezone, type DateOrder } from '../../mapper/import/read-time.ts';
import { ownAddressesOf, parseTargetUrl } from '../../mapper/shorten/target-url.ts';
import { readTargetConfig } from '../../runtime/config/config.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import { startProgressBar, type ProgressBar } from '../../runtime/terminal/progress-bar.ts';
import { note, ONE_JSON_DOCUMENT, type Terminal } from '../../runtime/terminal/terminal.ts';
import { JsonReport, TextReport, type Report } from './import-report.ts';

interface Options {
  readonly dryRun?: true;
  readonly from: FormatName | 'auto';
  readonly timezone?: string;
  readonly dateOrder?: DateOrder;
  readonly domain?: string;
  readonly rename?: string;
  readonly json?: true;
}

/** A smaller file is read before anybody looks at a bar. */
const LARGE_BYTES = 16 * 2 ** 20;

export function addImportCommand(program: Command, terminal: Terminal): void {
  program
    .command('import')
    .description(
      'Reads a file of links, of another shortener or of our own export, and says of every record what would be ' +
        'taken, or why not. For now it only reads: --dry-run must be given, and nothing is stored.',
    )
    .addHelpText(
      'after',
      '\nIt needs no cluster. KEYMILL_PUBLIC_URL, KEYMILL_ALLOW_PRIVATE_TARGETS and\n' +
        'KEYMILL_MAX_URL_BYTES judge the targets, as they do for new links.\n' +
        '\nExit code: 0 every record would be taken; 1 some would not; 2 wrong usage.',
    )
    .argument('<file>')
    .option('--dry-run', 'only read and report')
    .addOption(
      new Option('--from <format>', 'what wrote the file').choices(['auto', ...FORMAT_NAMES]).default('auto'),
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

async function run(terminal: Terminal, file: string, options: Options): Promise<void> {
  const { timezone, json } = options;
  if (timezone !== undefined && !isTimezone(timezone))
    throw new UsageError(`there is no time zone "${timezone}"; name one of IANA, such as Europe/Berlin`);
  if (options.dryRun !== true)
    throw new RefusedError(
      'links cannot be imported yet; --dry-run reads the file and says what would be taken',
    );
  const bytes = await sizeOf(file);
  const reader = createReader(terminal, options);
  const report = json === true ? new JsonReport(terminal.stdout) : new TextReport(terminal.stdout);
  const work = { what: `reading ${file}`, total: bytes, unit: 'bytes' };
  const bar = bytes >= LARGE_BYTES ? startProgressBar(terminal, work) : undefined;
  try {
    await readFile(file, { reader, report, bar });
  } finally {
    bar?.stop();
  }
  await report.end(reader.summary);
  if (Object.keys(reader.summary.refused).length > 0) terminal.exitCode = 1;
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((error: unknown) => {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (!found.isFile()) throw new UsageError(`${file} is not a file`);
  return found.size;
}

function createReader(terminal: Terminal, options: Options): LinkReader {
  const { publicUrl, allowPrivateTargets, maxUrlBytes } = readTargetConfig(terminal.env);
  if (publicUrl === undefined)
    note(
      terminal,
      'KEYMILL_PUBLIC_URL is not set: targets that point back at the service are not recognised',
    );
  const own = publicUrl === undefined ? [] : ownAddressesOf(publicUrl, publicUrl);
  const rules = { own, allowPrivateTargets, maxBytes: maxUrlBytes };
  const { from, timezone, dateOrder, domain, rename } = options;
  return new LinkReader({
    from,
    timezone,
    dateOrder,
    domain,
    isRenaming: rename !== undefined,
    nowMs: Date.now(),
    judgeTarget: (url) => parseTargetUrl(url, rules),
  });
}

interface Reading {
  readonly reader: LinkReader;
  readonly report: Report;
  readonly bar: ProgressBar | undefined;
}

async function readFile(file: string, { reader, report, bar }: Reading): Promise<void> {
  const stream = createReadStream(file);
  for await (const outcomes of reader.read(stream)) {
    await report.add(outcomes);
    bar?.update(stream.bytesRead);
  }
}
