import { UsageError } from '../../runtime/terminal/errors.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { MAX_ATTEMPTS } from '../method/control.ts';
import { BENCHES } from '../rows/catalogue.ts';
import { checkOut, resolveCommit } from './checkout.ts';
import { compareRows, type Compared } from './compare.ts';
import { COMPARED_ROWS, type ComparedRow } from './compared-rows.ts';
import { describeRun } from './report.ts';
import { CONTROL_TOLERANCE, LEAST_RATIO } from './verdict.ts';

/** The part of the help of `keymill bench` that explains `--against`. */
export const AGAINST_HELP = `
--against COMMIT compares this work tree (B) with another commit (A). Each runs
on servers of its own, which its own up or prepare makes; the load is always ours
and on one of them at a time, in the order A B B A. A ratio above 1 means that B
is better. In rows of throughput, the CPU per request or key decides.

"Not slower": the median is at least ${LEAST_RATIO}, or the 95 % interval contains 1, and
the control (each side against itself in the same minutes) is inside ${1 - CONTROL_TOLERANCE} to ${1 + CONTROL_TOLERANCE}.
Any other run is repeated with new processes; a row has ${MAX_ATTEMPTS} runs at most, of about
3 minutes each.

Rows: ${namesOf(COMPARED_ROWS)};
without a name, all of them.
Exit code with --against: 0 no row is slower; 1 a row is slower, failed, or its
control never held; 2 wrong usage, such as an unknown commit or row.
`;

/** @throws UsageError for a row that does not exist or cannot be compared */
export function chooseCompared(names: readonly string[]): readonly ComparedRow[] {
  if (names.length === 0) return COMPARED_ROWS;
  const refused = names.filter((name) => !COMPARED_ROWS.some((row) => row.name === name));
  if (refused.length === 0) return COMPARED_ROWS.filter(({ name }) => names.includes(name));
  const unknown = refused.filter((name) => !BENCHES.some((bench) => bench.name === name));
  const why = unknown.length > 0 ? `no bench ${unknown.join(', ')}` : `cannot compare ${refused.join(', ')}`;
  throw new UsageError(`${why}; these can be compared: ${namesOf(COMPARED_ROWS)}`);
}

/**
 * Compares the work tree with a commit; everything that was started or checked out is gone afterwards.
 * @throws UsageError for a commit that does not exist
 */
export async function compareWith(
  commitName: string,
  rows: readonly ComparedRow[],
  options: BenchRun & { readonly pin: boolean },
): Promise<Compared[]> {
  const commit = await resolveCommit(commitName);
  options.say(`checking out ${commit}`);
  await using against = await checkOut(commit, options);
  return await compareRows(rows, {
    ...options,
    against,
    onRun: (row, run) => options.say(describeRun(row, run)),
    onFailed: (name, error) => options.say(`${name} failed: ${error.message}`),
  });
}

function namesOf(rows: readonly ComparedRow[]): string {
  return rows.map(({ name }) => name).join(', ');
}
