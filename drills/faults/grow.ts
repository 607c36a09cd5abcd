import type { UnfinishedStep } from '../cluster/drill-cluster.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';

/** The steps of `keymill grow`, in their order. */
const STEPS = ['mapper', 'memory', 'zookeeper', 'stores', 'producers', 'pools'];

/** How long each step and each undoing took that nobody killed, in milliseconds. */
type UsualTimes = ReadonlyMap<string, number>;

/** Each with half the time of the one before, so that the last ones meet the beginning of a step. */
const ATTEMPTS = 5;
/** A command starts Node, takes the lock and looks at the cluster before its step begins. */
const BEGIN_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 10;

export const grow: Drill = {
  name: 'grow',
  does:
    'Makes a full cluster of a small one, while links are made and followed, and undoes every step. Then it does both ' +
    'again: each step and each undoing is killed by SIGKILL at a random moment of the time that it took, and ' +
    'repeated, or taken back first. At last the cluster grows in one go.',
  needs: [],
  isForSmall: true,
  isDestructive: true,
  rate: 20,
  rounds: 1,
  round: async (run) => {
    await makeSmall(run);
    const endUsual = run.beginFault('it grows and shrinks, one step after the other');
    const usual = await measure(run);
    endUsual();
    const endKilled = run.beginFault('it grows and shrinks, killed in every step');
    for (const step of STEPS) await killedIn(run, { step, way: 'grow' }, usual);
    for (const step of STEPS.toReversed()) await killedIn(run, { step, way: 'undo' }, usual);
    endKilled();
    const endInOneGo = run.beginFault('it grows in one go');
    await run.cluster.keymill('grow', '--yes');
    endInOneGo();
  },
};

/** A round before this one has left a full cluster. */
async function makeSmall(run: DrillRun): Promise<void> {
  if (run.cluster.hasGrown) for (const step of STEPS.toReversed()) await make(run, { step, way: 'undo' });
}

async function measure(run: DrillRun): Promise<UsualTimes> {
  const usual = new Map<string, number>();
  const wanted: UnfinishedStep[] = [
    ...STEPS.map((step) => ({ step, way: 'grow' }) as const),
    ...STEPS.toReversed().map((step) => ({ step, way: 'undo' }) as const),
  ];
  for (const growth of wanted) {
    const making = make(run, growth);
    const hasBegun = await begins(run, growth, making);
    const fromMs = run.nowMs;
    await making;
    const tookMs = Math.round(run.nowMs - fromMs);
    if (!hasBegun) throw new Error(`${nameOf(growth)} ended without having been on record`);
    usual.set(nameOf(growth), tookMs);
    run.event(`${nameOf(growth)} took ${tookMs} ms`);
  }
  return usual;
}

/**
 * Kills a step while the record says that it has begun and not ended, and makes it again. By chance it goes
 * the other way first. One that was done before its kill is taken back, and made and killed again.
 */
async function killedIn(run: DrillRun, growth: UnfinishedStep, usual: UsualTimes): Promise<void> {
  const name = nameOf(growth);
  let withinMs = usual.get(name) ?? 0;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1, withinMs /= 2) {
    const afterMs = Math.round(run.random() * withinMs);
    if (await wasKilled(run, growth, afterMs)) {
      const isTakenBack = run.random() < 0.5;
      run.event(`${name}: killed after ${afterMs} ms, and ${isTakenBack ? 'taken back first' : 'repeated'}`);
      if (isTakenBack) await make(run, otherWay(growth));
      await make(run, growth);
      return;
    }
    run.event(`${name} was done before its kill after ${afterMs} ms; once more`);
    await make(run, otherWay(growth));
  }
  run.violation(`${name} was never killed: it was done before each of ${ATTEMPTS} kills`);
  await make(run, growth);
}

/** @returns whether the record says afterwards that the step has begun and not ended */
async function wasKilled(run: DrillRun, growth: UnfinishedStep, afterMs: number): Promise<boolean> {
  const kill = new AbortController();
  const making = run.cluster.keymillUnlessKilled(kill.signal, ...argumentsOf(growth));
  try {
    if (await begins(run, growth, making)) await run.pause(afterMs);
  } finally {
    kill.abort();
  }
  await making;
  return isOnRecord(run, growth);
}

/** Waits until the record has the step. @returns false when its command has ended before */
async function begins(run: DrillRun, growth: UnfinishedStep, making: Promise<unknown>): Promise<boolean> {
  let hasEnded = false;
  const end = (): void => void (hasEnded = true);
  making.then(end, end);
  return run.waitFor(() => (isOnRecord(run, growth) ? true : hasEnded ? false : undefined), {
    timeoutMs: BEGIN_TIMEOUT_MS,
    everyMs: LOOK_EVERY_MS,
    failure: `${nameOf(growth)} has not begun after ${BEGIN_TIMEOUT_MS / 1_000} s`,
  });
}

/** Whether the record says that this has begun and not ended. */
function isOnRecord({ cluster }: DrillRun, { step, way }: UnfinishedStep): boolean {
  const { unfinishedStep } = cluster;
  return unfinishedStep?.step === step && unfinishedStep.way === way;
}

async function make(run: DrillRun, growth: UnfinishedStep): Promise<void> {
  await run.cluster.keymill(...argumentsOf(growth));
}

function argumentsOf({ step, way }: UnfinishedStep): string[] {
  return ['grow', way === 'grow' ? '--step' : '--undo', step];
}

function otherWay({ step, way }: UnfinishedStep): UnfinishedStep {
  return { step, way: way === 'grow' ? 'undo' : 'grow' };
}

function nameOf({ step, way }: UnfinishedStep): string {
  return way === 'grow' ? step : `undoing ${step}`;
}
