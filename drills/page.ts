import { goalsOf } from './check/goals.ts';
import { USUAL_LIMITS } from './cluster/limits.ts';
import { goalSentences } from './goal-sentences.ts';
import { describeImages, describeOwnLinks, type Distribution, type DrillReport } from './report.ts';
import type { Drill } from './run/drill.ts';

/**
 * The generated part of docs/drills.md: one section per drill, with its fault, its goals and its last
 * recorded run.
 */
export function drillSections(drills: readonly Drill[], reports: readonly DrillReport[]): string {
  const recorded = new Map(reports.map((report) => [report.name, report]));
  return drills.map((drill) => sectionOf(drill, recorded.get(drill.name)).join('\n')).join('\n\n');
}

function sectionOf(drill: Drill, report: DrillReport | undefined): string[] {
  const goals = goalSentences(goalsOf(drill.name, USUAL_LIMITS));
  return [
    `### \`${drill.name}\``,
    '',
    `- **Fault**: ${drill.does}`,
    ...(goals.length === 0 ? [] : [`- **Goals**: ${goals.join('; ')}`]),
    ...(report === undefined ? ['- **Last run**: none is recorded'] : linesOf(drill, report)),
  ];
}

function linesOf(drill: Drill, report: DrillReport): string[] {
  const { lost, duplicates, wrongTarget, leaked } = report;
  const writtenOff = report.writtenOff > 0 ? `; ${count(report.writtenOff)} links lost by the fault` : '';
  const verdict = report.passed ? 'passed' : `failed: ${report.violations.join('; ')}`;
  const parts = drill.parts === undefined ? '' : ` of each part (${drill.parts.join(', ')})`;
  const withoutSuccess = [
    `${count(report.sent)} shortens, ${count(report.sent - report.acked)} without success`,
    `${count(report.redirects)} redirects, ${count(report.redirectsFailed)} without success`,
  ];
  const times = timesOf(report);
  const during = duringOf(report);
  return [
    `- **Last run**${dateOf(report)}: ${verdict}. Rounds: ${report.rounds}${parts}. Seed: ${report.seed}`,
    `  - ${withoutSuccess.join('; ')}`,
    `  - keys: ${lost} lost, ${duplicates} bound twice, ${wrongTarget} wrong targets, ${leaked ?? '?'} leaked${writtenOff}`,
    ...(times.length === 0 ? [] : [`  - ${times.join('; ')}`]),
    ...(during.length === 0 ? [] : [`  - ${during.join('; ')}`]),
    ...(report.ownLinks === undefined ? [] : [`  - ${describeOwnLinks(report.ownLinks)}`]),
    ...(report.images === undefined ? [] : [`  - ${describeImages(report.images)}`]),
  ];
}

/** The day of the run. The runner names a history file after the drill and the time, in base 36. */
function dateOf({ historyFile }: DrillReport): string {
  const time = Number.parseInt(/-([0-9a-z]+)\.jsonl$/.exec(historyFile)?.[1] ?? '', 36);
  return Number.isNaN(time) ? '' : ` (${new Date(time).toISOString().slice(0, 10)})`;
}

function timesOf({ unownedMs, deadMs, parts }: DrillReport): string[] {
  return [
    ...(unownedMs.all.length === 0 ? [] : [`unowned ${describe(unownedMs)}`]),
    ...parts
      .filter((part) => part.unownedMs.all.length > 0)
      .map((part) => `${part.name}: ${describe(part.unownedMs)}`),
    ...(deadMs.all.length === 0 ? [] : [`fault to next holder ≤ ${count(deadMs.max)} ms`]),
  ];
}

function describe({ p50, max, all }: Distribution): string {
  return `p50 ${count(p50)} ms, max ${count(max)} ms (${all.length === 1 ? 'once' : `${all.length} times`})`;
}

function duringOf({ during, backMs, stranded }: DrillReport): string[] {
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const said = [
    during.ackedShare < 1 ? `${percent(during.ackedShare)} of shortens acknowledged during the fault` : '',
    during.redirectShare < 1 ? `${percent(during.redirectShare)} of redirects right during the fault` : '',
    during.redirectP99Ms === undefined
      ? ''
      : `p99 of redirects ${during.redirectP99Ms.during} ms, without a fault ${during.redirectP99Ms.without} ms`,
    during.refused > 0 ? `${count(during.refused)} shortens refused, p99 ${during.refusedP99Ms} ms` : '',
    during.decay === null ? '' : `the share of acknowledged shortens fell by ${percent(during.decay)}`,
    backMs === null ? '' : `all acknowledged again ${backMs} ms after healing`,
    stranded === null ? '' : `${stranded.keys} keys stranded, of ${stranded.bound} possible`,
  ];
  return said.filter((one) => one !== '');
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}
