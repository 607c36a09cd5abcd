import type { DrillReport } from './drill.ts';

/** A report for people: the verdict, the figures, and what was wrong. */
export function describeReport(report: DrillReport): string[] {
  const { name, passed, seed, rounds, rate, unownedMs, deadMs, during, stranded } = report;
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  return [
    `${name}: ${passed ? 'passed' : 'FAILED'}  (${rounds} rounds, seed ${seed}, ${rate} shortens/s)`,
    `  shortens   ${report.sent} sent, ${report.acked} acknowledged, ${report.failed} failed, ${report.refused} refused, ${report.unknown} unknown`,
    `  redirects  ${report.redirects}, ${report.redirectsFailed} without success`,
    `  during     ${percent(during.ackedShare)} of shortens acknowledged, ${percent(during.redirectShare)} of redirects right`,
    `  keys       ${report.lost} lost, ${report.duplicates} duplicates, ${report.wrongTarget} wrong targets, ${report.leaked ?? 'unknown'} leaked`,
    `  shards     unowned ${unownedMs.p50} ms in the median, ${unownedMs.max} ms at most (${unownedMs.all.length} times)` +
      (deadMs.all.length === 0 ? '' : `; fault to next holder ${deadMs.max} ms at most`),
    ...report.parts.map(
      (part) =>
        `    ${part.name}: unowned ${part.unownedMs.p50} ms in the median, ${part.unownedMs.max} ms at most (${part.unownedMs.all.length} times)`,
    ),
    `  takeover   ${report.takeoverMs} ms at most; ${report.fenced} reigns fenced; longest pause between acknowledgements ${report.unavailableMs} ms`,
    ...(stranded === null
      ? []
      : [`  stranded   ${stranded.keys} keys with a killed mapper, which may have held ${stranded.bound}`]),
    ...report.violations.map((violation) => `  VIOLATION  ${violation}`),
    `  history    ${report.historyFile}`,
    '',
  ];
}
