import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { REPOSITORY } from '../scripts/cluster/run-dir.ts';
import { DRILLS } from './catalogue.ts';
import { drillSections } from './page.ts';
import type { DrillReport } from './report.ts';

/** The last report of each drill, and the page that shows them. */

const REPORTS = join(REPOSITORY, 'docs', 'figures', 'drills.json');
const PAGE = join(REPOSITORY, 'docs', 'drills.md');
const BEGIN = '<!-- made by ./scripts/keymill drill --figures -->';
const END = '<!-- end -->';

export function readReports(): DrillReport[] {
  // Only writeReports() below writes this file.
  return JSON.parse(readFileSync(REPORTS, 'utf8')) as DrillReport[];
}

/**
 * Replaces the drill's last report, keeps the reports in the order of the catalogue, and writes the page
 * again.
 */
export function recordReport(report: DrillReport): void {
  const others = readReports().filter(({ name }) => name !== report.name);
  const places = new Map(DRILLS.map(({ name }, place) => [name, place]));
  const placeOf = ({ name }: DrillReport): number => places.get(name) ?? DRILLS.length;
  writeReports([...others, report].sort((a, b) => placeOf(a) - placeOf(b)));
  writeFigures();
}

/** Writes the generated part of the page, and removes this machine's paths from the reports. */
export function writeFigures(): void {
  const reports = readReports().map((report) => ({ ...report, historyFile: basename(report.historyFile) }));
  writeReports(reports);
  const { before, after } = splitPage();
  writeFileSync(PAGE, `${before}\n\n${drillSections(DRILLS, reports)}\n\n${after}`);
}

/** The generated part of the page as it is now. @throws Error when the page has no place for it */
export function readSections(): string {
  return splitPage().made.trim();
}

function splitPage(): { before: string; made: string; after: string } {
  const page = readFileSync(PAGE, 'utf8');
  const from = page.indexOf(BEGIN) + BEGIN.length;
  const to = page.indexOf(END, from);
  if (from < BEGIN.length || to === -1) throw new Error(`${PAGE} has no place for the figures`);
  return { before: page.slice(0, from), made: page.slice(from, to), after: page.slice(to) };
}

/** Writes a second file and renames it, so that an interrupted run leaves the old reports whole. */
function writeReports(reports: readonly DrillReport[]): void {
  const fresh = `${REPORTS}.new`;
  writeFileSync(fresh, `${JSON.stringify(reports, null, 2)}\n`);
  renameSync(fresh, REPORTS);
}
