import type { Command } from 'commander';
import { slotOf } from '../../db/keyspace/placement.ts';
import { statisticsQuery } from '../../mapper/api/statistics-fields.ts';
import { toBody, type StatisticsBody } from '../../mapper/api/statistics-answers.ts';
import { BY, resolveQuestion, TOO_MANY_ITEMS, type Question } from '../../mapper/statistics/question.ts';
import { UNITS } from '../../mapper/statistics/units.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import { formatTable } from '../../runtime/terminal/table.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { ANY_KEY, helpWithDash, parseKey } from './given-key.ts';
import { findCluster } from './sources/find-cluster.ts';
import { readStatistics } from './sources/statistics.ts';

interface Options {
  readonly from?: string;
  readonly to?: string;
  readonly unit?: string;
  readonly by?: string;
  readonly tz?: string;
  readonly json?: true;
}

export function addStatsCommand(program: Command, terminal: Terminal): void {
  program
    .command('stats')
    .description('Tells how often a link was followed, as GET /urls/{key}/stats does, whoever its owner is.')
    .addHelpText('after', helpWithDash('stats'))
    .argument('<key>', ANY_KEY)
    .option('--from <time>', 'clicks at this time or later: 2030-01-31, or a time with offset')
    .option('--to <time>', 'clicks before this time')
    .option('--unit <unit>', `of the lines by time: ${UNITS.join(', ')}`)
    .option('--by <what>', BY.join(', '))
    .option('--tz <zone>', 'time zone, such as Europe/Berlin; default UTC')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"unique_id", and the fields of the answer of the API}`)
    .helpOption('--help', 'show help')
    .allowUnknownOption()
    .action(async (given: string, { json, ...options }: Options) => {
      const key = parseKey(given);
      const question = resolve(options);
      const { config } = findCluster(terminal.env);
      const answer = await readStatistics(config.stores.urlsDbs, { key, slot: slotOf(key) }, question);
      if (answer === undefined) throw new RefusedError(`there is no link ${key}`);
      if ('tooMany' in answer) throw new UsageError(`--unit ${TOO_MANY_ITEMS}`);
      const body = toBody(question, answer);
      if (json) printJson(terminal, { unique_id: key, ...body });
      else printLines(terminal, describe(key, body));
    });
}

/** @throws UsageError naming the option */
function resolve(options: Omit<Options, 'json'>): Question {
  const parsed = statisticsQuery.safeParse(options);
  if (!parsed.success) {
    const [{ path, message } = { path: [], message: '' }] = parsed.error.issues;
    throw new UsageError(`--${path.join('.')} ${message}`);
  }
  const resolved = resolveQuestion(parsed.data, Date.now());
  if ('error' in resolved) throw new UsageError(`--${resolved.error.field} ${resolved.error.reason}`);
  return resolved.question;
}

function describe(key: string, body: StatisticsBody): string[] {
  const { from, to, clicks, visitors, approximate, items } = body;
  return [
    `key       ${key}`,
    `period    ${from ?? 'from the first click'} to ${to}`,
    `clicks    ${clicks.total} (${clicks.humans} by people, ${clicks.bots} by bots)`,
    `visitors  about ${visitors}`,
    ...(approximate ? ['counted   by days of UTC, or by whole hours, so the numbers are approximate'] : []),
    '',
    ...formatTable(
      [
        { title: body.by === 'time' ? `${body.unit} (${body.tz})` : body.by },
        { title: 'people', align: 'right' },
        { title: 'bots', align: 'right' },
      ],
      items.map((item) => [nameOf(item, body), String(item.humans), String(item.bots)]),
    ),
  ];
}

function nameOf(item: StatisticsBody['items'][number], { unit, tz }: StatisticsBody): string {
  if ('value' in item) return item.value === '' ? '(none)' : item.value;
  const at = Temporal.Instant.from(item.at).toZonedDateTimeISO(tz).toPlainDateTime().toString();
  if (unit === 'month') return at.slice(0, 7);
  return unit === 'day' ? at.slice(0, 10) : at.slice(0, 16).replace('T', ' ');
}
