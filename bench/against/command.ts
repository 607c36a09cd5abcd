import { UsageError } from '../../runtime/terminal/errors.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { BENCHES } from '../rows/catalogue.ts';
import { checkOut, resolveCommit } from './checkout.ts';
import { compareRows, type Compared } from './compare.ts';
import { COMPARED_ROWS, type ComparedRow } from './compared-rows.ts';
import { describeRun } from './report.ts';

/** The part of the help of `keymill bench` that explains `--against`. */
export const AGAINST_HELP = `
With --against COMMIT this work tree (B) is compared with another commit (A). Each runs on a cluster of its own, started by its
own up; the load is on one of them at a time, in the order A B B A, and always ours. A ratio above 1 means that B is better.
A row is "not slower" when its median is at least 0.97, or its 95 % interval contains 1, and its control (each side against
itself in the same minutes) is inside 0.97 to 1.03. In rows of throughput the CPU a request decides. A row that is not is
measured again, three times at most, with new processes. It takes about 3 minutes a run.
Rows: ${namesOf(COMPARED_ROWS)}; without a name, all of them.
Exit code: 0 none is slower, 1 one is slower or its control never held, 2 wrong usage.
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
    onRow: (row) => {
      for (const run of row.runs.slice(-1)) options.say(`${describeRun(row, run)}: ${verdictOf(row)}`);
    },
    onFailed: (name, error) => options.say(`${name} failed: ${error.message}`),
  });
}

function verdictOf({ quick, verdict }: Compared): string {
  return quick === true ? 'quick, no verdict' : verdict;
}

function namesOf(rows: readonly ComparedRow[]): string {
  return rows.map(({ name }) => name).join(', ');
}
