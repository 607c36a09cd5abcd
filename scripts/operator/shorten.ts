import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { messageOf } from '../../runtime/errors.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import {
  note,
  ONE_JSON_DOCUMENT,
  printJson,
  printLines,
  type Terminal,
} from '../../runtime/terminal/terminal.ts';
import { describeRefusal } from './shorten-refusal.ts';
import { shortenLines } from './shorten-lines.ts';
import { findOrigins } from './sources/find-cluster.ts';
import { shorten, type ShortenBody, type ShorteningServer } from './sources/shortening.ts';

interface Options {
  readonly url?: string;
  readonly alias?: string;
  readonly expires?: string;
  readonly title?: string;
  readonly tag?: readonly string[];
  readonly find?: true;
  readonly server?: string;
  readonly json?: true;
}

export function addShortenCommand(program: Command, terminal: Terminal): void {
  program
    .command('shorten')
    .description('Makes a short link, and prints it and nothing else.')
    .argument('[url]', 'where the link leads; - reads many URLs from stdin, one in each line')
    .option('--url <url>', 'the same, as an option')
    .option('--alias <alias>', 'the end of the short link, instead of a generated key')
    .option(
      '--expires <when>',
      'a time with offset, such as 2030-01-31T12:00:00Z, or from now: 30m, 12h, 7d, 4w',
    )
    .option('--title <title>', 'of the link, in your list; needs an API key')
    .option('--tag <tag>', 'of the link; may be given several times; needs an API key', collect)
    .option('--find', 'print the link that there is already, if there is one with the same fields')
    .option('--server <origin>', 'the service, such as https://go.example')
    .option('--json', `${ONE_JSON_DOCUMENT}: the link as the API describes it`)
    .addHelpText(
      'after',
      '\nThe service is --server, or KEYMILL_PUBLIC_URL, or the one that ./scripts/up runs.\n' +
        'The API key is KEYMILL_API_KEY, or in the file KEYMILL_API_KEY_FILE. Without one, the\n' +
        'link belongs to nobody.\n' +
        '\nWith -, each line of stdin gets a line of stdout: the short link, or an empty line for a\n' +
        'URL that is refused, and stderr says why. --json: {"items":[{"line","link"} or\n' +
        '{"line","errors":[{"field","reason"}]}],"made","refused"}.\n' +
        '\nExit code: 0 made; 1 refused, with - at least one; 2 wrong usage, or no answer.',
    )
    .action(async (given: string | undefined, options: Options) => run(terminal, given, options));
}

function collect(tag: string, tags: readonly string[] = []): readonly string[] {
  return [...tags, tag];
}

async function run(terminal: Terminal, given: string | undefined, options: Options): Promise<void> {
  const url = urlOf(given, options.url);
  const isMany = url === '-';
  if (isMany && options.alias !== undefined)
    throw new UsageError('--alias is for one link: leave it out, or give one URL instead of -');
  const server: ShorteningServer = {
    origins: findOrigins(terminal.env, options.server),
    apiKey: readApiKey(terminal.env),
    isPatient: isMany,
    onWait: (seconds) => note(terminal, `too many requests: going on in ${seconds} s`),
  };
  const bodyOf = createBodyMaker(options, Date.now());
  const isJson = options.json === true;
  if (isMany) {
    await shortenLines(terminal, { isJson, make: async (line) => shorten(server, bodyOf(line)) });
    return;
  }
  const shortened = await shorten(server, bodyOf(url));
  if ('refusal' in shortened) throw new RefusedError(describeRefusal(shortened.refusal).join('\n'));
  if (isJson) printJson(terminal, shortened.link);
  else printLines(terminal, [shortened.link.short_url]);
}

/** @throws UsageError unless there is exactly one */
function urlOf(given: string | undefined, option: string | undefined): string {
  if (given !== undefined && option !== undefined)
    throw new UsageError('the URL is given twice: as an argument and as --url');
  const url = given ?? option;
  if (url === undefined || url.trim() === '')
    throw new UsageError(
      'the URL is missing: keymill shorten https://example.com/, or - to read many from stdin',
    );
  return url;
}

/** @param nowMs from which a duration in --expires counts */
function createBodyMaker(options: Options, nowMs: number): (url: string) => ShortenBody {
  const { alias, expires, title, tag, find } = options;
  const others = {
    ...(alias !== undefined && { custom_alias: alias }),
    ...(expires !== undefined && { expiration_date: toTime(expires, nowMs) }),
    ...(title !== undefined && { title }),
    ...(tag !== undefined && { tags: tag }),
    ...(find === true && { find_if_exists: true }),
  };
  return (url) => ({ long_url: url, ...others });
}

const MINUTES: Readonly<Record<string, number>> = { m: 1, h: 60, d: 1_440, w: 10_080 };

/** A duration as a time. The service judges every other text. */
function toTime(expires: string, nowMs: number): string {
  const [, count, unit = ''] = /^(\d{1,6})([mhdw])$/.exec(expires.trim()) ?? [];
  if (count === undefined) return expires;
  return new Date(nowMs + Number(count) * (MINUTES[unit] ?? 0) * 60_000).toISOString();
}

/** @throws UsageError when it cannot be read, or cannot stand in a header */
function readApiKey(env: Terminal['env']): string | undefined {
  const [direct, file] = [env['KEYMILL_API_KEY'], env['KEYMILL_API_KEY_FILE']];
  if (direct && file) throw new UsageError('set either KEYMILL_API_KEY or KEYMILL_API_KEY_FILE, not both');
  const key = direct?.trim() ?? (file ? readKeyFile(file) : undefined);
  if (!key) return undefined;
  if (!/^[!-~]{1,512}$/.test(key))
    throw new UsageError(`${direct ? 'KEYMILL_API_KEY' : file}: an API key is one word, such as km_…`);
  return key;
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`KEYMILL_API_KEY_FILE: ${messageOf(error)}`);
  }
}
