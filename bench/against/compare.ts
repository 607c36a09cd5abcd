import { KeymillError } from '../../runtime/errors.ts';
import { StartError } from '../../scripts/servers/process.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { controlOf } from '../method/control.ts';
import { QUICK, ratioOf, runRounds, typicalOf } from '../method/measure.ts';
import { couplesOf, type Window } from '../method/order.ts';
import { round } from '../method/row.ts';
import { describeCommit } from '../record/machine.ts';
import { WORK_TREE, type Product } from '../servers/product.ts';
import { PrivateCluster } from '../world/private-cluster.ts';
import type { ComparedRow, Side, SideArm, SideSample } from './compared-rows.ts';
import { judgeRun, judgeRuns, needsAnotherRun, type Comparison, type Verdict } from './verdict.ts';

/** One measurement of a row, with processes of its own. */
export interface ComparedRun {
  /** Medians of the row's figure. */
  readonly a: number;
  readonly b: number;
  readonly figure: Comparison;
  /** CPU per request or key. If it is measured, it decides. */
  readonly cpu?: Comparison;
  /** null: too few and too short rounds (`--quick`). */
  readonly verdict: Verdict | null;
}

/** A row of `keymill bench --against`. */
export interface Compared {
  readonly name: string;
  readonly unit: string;
  /** The other commit. */
  readonly a: string;
  /** The commit of the work tree, with a + when the tree was changed since. */
  readonly b: string;
  readonly decidedBy: 'cpu' | 'figure';
  readonly runs: readonly ComparedRun[];
  /** null with `quick`. */
  readonly verdict: Verdict | null;
  readonly passed: boolean;
  readonly quick?: true;
}

export interface CompareOptions extends BenchRun {
  readonly against: Product;
  /** See {@link Side}. */
  readonly pin: boolean;
  /** Called after every run of every row. */
  readonly onRun: (row: Pick<ComparedRow, 'name' | 'unit'>, run: ComparedRun) => void;
  /** Called for a row that could not be measured. The others are still measured. */
  readonly onFailed: (name: string, error: Error) => void;
}

/**
 * Compares rows one after the other. Both products run all the time, each on servers of its own, and the load
 * is on one of them at a time, in the order A B B A.
 * @throws the signal's reason when it is aborted; everything that ran is gone then
 */
export async function compareRows(
  rows: readonly ComparedRow[],
  options: CompareOptions,
): Promise<Compared[]> {
  await using clusters = new AsyncDisposableStack();
  const sides = [sideOf(options.against, options, clusters), sideOf(WORK_TREE, options, clusters)] as const;
  const compared: Compared[] = [];
  for (const row of rows) {
    options.signal.throwIfAborted();
    try {
      compared.push(await compareRow(row, sides, options));
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof KeymillError || error instanceof StartError)) throw error;
      options.onFailed(row.name, error);
    }
  }
  return compared;
}

function sideOf(product: Product, options: CompareOptions, clusters: AsyncDisposableStack): Side {
  let cluster: Promise<PrivateCluster> | undefined;
  const start = async (): Promise<PrivateCluster> => {
    options.say(`starting a private cluster (${product.name})`);
    return clusters.use(await PrivateCluster.start(options.signal, product));
  };
  return { ...options, product, cluster: async () => (cluster ??= start()) };
}

type Sides = readonly [a: Side, b: Side];

async function compareRow(row: ComparedRow, sides: Sides, options: CompareOptions): Promise<Compared> {
  const runs: ComparedRun[] = [];
  const verdicts: Verdict[] = [];
  do {
    const measured = await measureOnce(row, sides, options);
    const verdict = options.quick ? null : judgeRun(measured.cpu ?? measured.figure);
    const run = { ...measured, verdict };
    runs.push(run);
    options.onRun(row, run);
    if (verdict !== null) verdicts.push(verdict);
  } while (!options.quick && needsAnotherRun(verdicts));
  const verdict = options.quick ? null : judgeRuns(verdicts);
  return {
    name: row.name,
    unit: row.unit,
    a: options.against.name,
    b: describeCommit(),
    decidedBy: runs[0]?.cpu === undefined ? 'figure' : 'cpu',
    runs,
    verdict,
    passed: verdict === 'not slower',
    ...(options.quick && { quick: true }),
  };
}

async function measureOnce(row: ComparedRow, sides: Sides, options: CompareOptions): Promise<Measured> {
  const rounds = options.quick ? QUICK.rounds : (options.rounds ?? row.rounds);
  // A window that is an amount of work has no length to choose.
  const chosen = row.seconds && (options.seconds ?? row.seconds);
  const seconds = options.quick ? QUICK.seconds : (chosen ?? 0);
  await using stack = new AsyncDisposableStack();
  const opened: SideArm[] = [];
  // One window more than is measured: the first one warms up the compiler.
  const plan = { windows: rounds + 1, seconds };
  for (const side of sides) opened.push(await row.open(side, stack, plan));
  const arms = opened.map((arm, i) => ({ name: i === 0 ? 'A' : 'B', run: arm.run }));
  for (const arm of arms) await arm.run(seconds);
  const sequence = await runRounds(
    options,
    {
      name: row.name,
      arms,
      quiesce: async () => {
        for (const arm of opened) await arm.quiesce?.();
      },
    },
    rounds,
    seconds,
  );
  return summarise(row, sequence);
}

type Measured = Omit<ComparedRun, 'verdict'>;

/** Pure. */
function summarise({ better }: ComparedRow, sequence: readonly Window<SideSample>[]): Measured {
  const figure = compare(sequence, better, (sample) => sample.figure);
  const hasCpu = sequence.every(({ sample }) => sample.cpuUs !== undefined);
  const cpu = hasCpu ? compare(sequence, 'lower', ({ cpuUs = Number.NaN }) => cpuUs) : undefined;
  const typical = (arm: string): number => round(typicalOf(sequence, arm, (sample) => sample.figure));
  return { a: typical('A'), b: typical('B'), figure, ...(cpu !== undefined && { cpu }) };
}

function compare(
  sequence: readonly Window<SideSample>[],
  better: 'higher' | 'lower',
  of: (sample: SideSample) => number,
): Comparison {
  const [top, bottom] = better === 'higher' ? (['B', 'A'] as const) : (['A', 'B'] as const);
  const { ratio, interval } = ratioOf(sequence, top, bottom, of);
  const control = controlOf(couplesOf(sequence).map(([first, second]) => [of(first), of(second)] as const));
  return { ratio: round(ratio), interval: [round(interval[0]), round(interval[1])], control: round(control) };
}
