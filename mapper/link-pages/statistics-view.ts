import { barTable } from '../charts/bar-table.ts';
import { clicks } from '../charts/clicks.ts';
import { timeChart } from '../charts/time-chart.ts';
import { timeLabels } from '../charts/time-labels.ts';
import { nameOfValue, WORDS } from '../charts/value-names.ts';
import type { ChartsBody, StatisticsBody } from '../api/statistics-answers.ts';
import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import { button, notice } from '../pages/components.ts';
import { PERIODS, type Period, type PeriodName } from './period.ts';

export type DimensionName = keyof typeof WORDS;

export const DIMENSION_NAMES = Object.keys(WORDS) as DimensionName[];

/** The clicks of a period. */
export type ShownClicks = ChartsBody;

export interface StatisticsView {
  /** The path of the page. */
  readonly path: string;
  readonly period: Period;
  /** Or why there are none. */
  readonly shown: ShownClicks | { readonly fault: string };
  /** Undefined: all dimensions, with their most frequent values. */
  readonly only: DimensionName | undefined;
  /** Said when there are no clicks. */
  readonly none: string;
}

const ROWS = 8;
/** What a question answers with at most, and all others together. */
const ROWS_OF_ONE = 201;

/** Clicks: numbers, a chart over time, and tables by value. */
export function statisticsSection({ path, period, shown, only, none }: StatisticsView): Html {
  const pathFor = (changes: Readonly<Record<string, string>>): string => pathOf(path, period, changes);
  return html`<section class="card statistics" id="clicks"><h2>Clicks</h2>
${periods(period, pathFor)}
${'fault' in shown ? notice('fault', html`<p>${shown.fault}</p>`) : charts({ period, shown, only, none, pathFor })}
${zoneForm(path, period)}</section>`;
}

function charts({
  period,
  shown,
  only,
  none,
  pathFor,
}: {
  readonly period: Period;
  readonly shown: ShownClicks;
  readonly only: DimensionName | undefined;
  readonly none: string;
  readonly pathFor: (changes: Readonly<Record<string, string>>) => string;
}): HtmlValue {
  const { time, values } = shown;
  if (time.clicks.total === 0) return html`<p class="chart-empty">${none}</p>`;
  const tables = values.map(({ by: name, items: counts }) => {
    const { plural, singular } = WORDS[name];
    const items = counts.map((item) => ({ ...item, label: nameOfValue(name, item.value) }));
    const isCut = only === undefined && items.length > ROWS;
    const all = html`<p><a href="${pathFor({ by: name })}">All ${clicks(items.length)}<span class="unseen"> ${plural.toLowerCase()}</span></a></p>`;
    const maxRows = only === undefined ? ROWS : ROWS_OF_ONE;
    return html`<div>${barTable({ name: plural, unit: singular, items, maxRows })}${isCut && all}</div>`;
  });
  return [
    numbers(time),
    only === undefined && overTime(period, time),
    only !== undefined && html`<p><a href="${pathFor({})}">Back to all charts</a></p>`,
    html`<div class="${only === undefined ? 'tables' : 'tables whole'}">${tables}</div>`,
    time.approximate &&
      html`<p class="quiet">Some of these numbers are of days of UTC: those of visitors, and those that are older than 90 days.</p>`,
  ];
}

const UNIT_NAMES = { hour: 'hour', day: 'day', month: 'month' } as const;

function overTime({ zone, unit }: Period, { items }: StatisticsBody): Html {
  const { label, short } = timeLabels(unit, zone);
  const name = UNIT_NAMES[unit];
  return timeChart({
    name: `Clicks by ${name}`,
    unit: name.charAt(0).toUpperCase() + name.slice(1),
    items: items.flatMap((item) => {
      if (!('at' in item)) return [];
      const at = new Date(item.at);
      return [{ ...item, label: label(at), short: short(at) }];
    }),
  });
}

function numbers({ clicks: { humans, bots }, visitors }: StatisticsBody): Html {
  const entries = [
    ['Clicks by people', humans],
    ['Visitors', visitors],
    ['Clicks by bots', bots],
  ] as const;
  return html`<dl class="numbers">${entries.map(
    ([name, count]) => html`<div><dt>${name}</dt><dd>${clicks(count)}</dd></div>`,
  )}</dl>`;
}

function periods({ name: current }: Period, pathFor: StatisticsPath): Html {
  const entries = Object.entries(PERIODS) as [PeriodName, string][];
  return html`<nav class="periods" aria-label="Period"><ul>${entries.map(
    ([name, label]) =>
      html`<li><a href="${pathFor({ period: name })}" ${attributes({
        'aria-current': name === current && 'true',
      })}>${label}</a></li>`,
  )}</ul></nav>`;
}

type StatisticsPath = (changes: Readonly<Record<string, string>>) => string;

function pathOf(path: string, { name, zone }: Period, changes: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ period: name, ...(zone !== 'UTC' && { tz: zone }), ...changes });
  return `${path}?${query.toString()}#clicks`;
}

/** Without scripts nobody tells us where somebody is. */
function zoneForm(path: string, { name, zone, zoneFault }: Period): Html {
  const shown = {
    'aria-invalid': zoneFault !== undefined && 'true',
    'aria-describedby': zoneFault !== undefined && 'fault-tz',
  };
  return html`<form method="get" action="${path}#clicks" class="zone">
<input type="hidden" name="period" value="${name}">
<label for="field-tz">Time zone</label>
<input id="field-tz" name="tz" value="${zone}" autocomplete="off" spellcheck="false" maxlength="64" ${attributes(shown)}>
${button('Show', { kind: 'plain' })}
${zoneFault !== undefined && html`<p class="fault" id="fault-tz">What you typed ${zoneFault}. A name, such as Europe/Berlin, or an offset, such as +02:00, is right.</p>`}
</form>`;
}
