import { setTimeout as delay } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { monotonicMs } from '../../runtime/clock.ts';
import { RefusedError, UsageError } from '../../runtime/terminal/errors.ts';
import { ONE_JSON_DOCUMENT, printJson, printLines, type Terminal } from '../../runtime/terminal/terminal.ts';
import { explain } from '../cluster/advice.ts';
import { takeLock } from '../cluster/lock.ts';
import { ProgressLog } from '../cluster/progress-log.ts';
import { RunDir } from '../cluster/run-dir.ts';
import type { Launch } from '../cluster/servers.ts';
import { refuseOtherUser, shareServiceSettings } from '../cluster/service-settings.ts';
import { State } from '../cluster/state.ts';
import { isFaultable } from '../cluster/wire.ts';
import { findContainerMark } from '../containers/up.ts';
import { BY_HAND, describePlan } from '../grow/plan-text.ts';
import { planGrowth, type Plan, type Unfinished } from '../grow/plan.ts';
import { makeStep } from '../grow/make-step.ts';
import { lookAtGrowth } from '../grow/sight.ts';
import { STEPS, type StepName } from '../grow/steps.ts';
import { endStrays } from '../grow/strays.ts';
import { identityOf } from '../servers/identity.ts';

interface GrowOptions {
  readonly yes?: true;
  readonly step?: StepName;
  /** True: the last step, whichever it is. */
  readonly undo?: StepName | true;
  readonly json?: true;
}

export function addGrowCommand(program: Command, terminal: Terminal): void {
  program
    .command('grow')
    .description(
      'Makes a full cluster of a small one, with its data and while it serves. Without an option it shows the steps, ' +
        'and what is done of them. A step that failed or was killed can be repeated or undone.',
    )
    .addOption(new Option('--yes', 'make all steps that are left').conflicts(['step', 'undo']))
    .addOption(new Option('--step <name>', 'make this step').choices(STEPS).conflicts(['yes', 'undo']))
    .addOption(
      new Option('--undo [name]', 'undo the last step; with a name, only if it is this one')
        .choices(STEPS)
        .conflicts(['yes', 'step']),
    )
    .option('--json', `${ONE_JSON_DOCUMENT}: {"steps":[{"name","state","why"}],"next","undo"}`)
    .action(async (options: GrowOptions) => grow(options, terminal));
}

async function grow(options: GrowOptions, terminal: Terminal): Promise<void> {
  const runDir = new RunDir(terminal.env['KEYMILL_RUN_DIR'] ?? '');
  const state = State.find(runDir);
  if (state === undefined) return advise(runDir, options, terminal);
  refuseOther(state);
  if (wantsChange(options)) refuseOtherUser(runDir, './scripts/keymill grow …');
  shareServiceSettings(runDir);
  const stopping = new AbortController();
  const changes = wantsChange(options);
  const plan = changes
    ? await changeAlone(runDir, options, stopping)
    : await planOf(launchOf(runDir, state, stopping.signal));
  if (options.json) printJson(terminal, plan);
  else printLines(terminal, describePlan(plan));
}

function launchOf(runDir: RunDir, state: State, signal: AbortSignal, progress = new ProgressLog()): Launch {
  return {
    runDir,
    state,
    progress,
    signal,
    onSpawn: (id, kind, spawned) => state.recordProcess(id, kind, spawned),
  };
}

async function planOf(launch: Launch): Promise<Plan> {
  return planGrowth(await lookAtGrowth(launch));
}

/** Changes the cluster while no `up` or `down` runs. `down` interrupts us, as it interrupts `up`. */
async function changeAlone(runDir: RunDir, options: GrowOptions, stopping: AbortController): Promise<Plan> {
  const stop = (): void =>
    stopping.abort(
      new RefusedError('interrupted. Repeat the step, or undo it: ./scripts/keymill grow --undo'),
    );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  const progress = new ProgressLog();
  const waiting = (): void => progress.line('waiting for another up, down or grow to finish …');
  const lock = await takeLock(runDir, waiting, stopping.signal);
  // Another command may have changed the record while we waited.
  const state = State.open(runDir);
  state.up = identityOf(process.pid);
  try {
    await endStrays(state, progress);
    return await changeNow(options, launchOf(runDir, state, stopping.signal, progress));
  } catch (error) {
    throw explain(error);
  } finally {
    state.up = undefined;
    lock.release();
  }
}

async function changeNow(options: GrowOptions, launch: Launch): Promise<Plan> {
  for (;;) {
    const plan = await planWhenReady(options, launch);
    const next = choose(options, plan);
    if (next === undefined) return plan;
    launch.progress.line(`${next.way === 'undo' ? 'undoing ' : ''}${next.step} …`);
    await makeStep(next, launch);
    if (options.yes === undefined) return planOf(launch);
  }
}

/** How long a part of a step that is done may be late before it keeps a later step waiting. */
const LATE_MS = 20_000;
const LOOK_EVERY_MS = 500;

/**
 * The plan, seen when all parts of earlier steps were ready, or some time later. On a busy machine one look
 * may find a mapper that is late with its answer, or that has just begun to serve.
 */
async function planWhenReady({ step }: GrowOptions, launch: Launch): Promise<Plan> {
  let shown = '';
  for (const giveUpMs = monotonicMs() + LATE_MS; ;) {
    const plan = await planOf(launch);
    const late = plan.steps.find(({ name, state }) => name === plan.next && state === 'begun');
    const isWaited = step !== undefined && late !== undefined && late.name !== step;
    const isHalfDone = launch.state.growth?.unfinished !== undefined;
    if (!isWaited || isHalfDone || monotonicMs() > giveUpMs) return plan;
    if (late.why !== shown) launch.progress.line(`waiting: ${late.why} …`);
    shown = late.why ?? '';
    await delay(LOOK_EVERY_MS, undefined, { signal: launch.signal }).catch(() => undefined);
    launch.signal.throwIfAborted();
  }
}

/**
 * The step to make now; undefined when nothing is left to do.
 * @throws RefusedError when the wanted one cannot be made now
 */
function choose({ step, undo }: GrowOptions, plan: Plan): Unfinished | undefined {
  if (undo !== undefined) return chooseUndoing(undo, plan);
  const wanted = plan.steps.find(({ name }) => name === step);
  if (wanted === undefined) return plan.next === undefined ? undefined : { step: plan.next, way: 'grow' };
  if (wanted.state === 'done') return undefined;
  if (wanted.name !== plan.next) {
    const lack = plan.steps.find(({ name }) => name === plan.next)?.why;
    throw new RefusedError(
      `${wanted.name} must wait: ${wanted.why}${lack === undefined ? '' : `, because ${lack}`}`,
    );
  }
  return { step: wanted.name, way: 'grow' };
}

function chooseUndoing(wanted: StepName | true, { steps, undo }: Plan): Unfinished | undefined {
  if (steps.some(({ name, state }) => name === wanted && state === 'open')) return undefined;
  if (undo === undefined) throw new RefusedError('there is nothing to undo: the cluster is a small one');
  if (wanted !== true && wanted !== undo)
    throw new RefusedError(`${wanted} is not the last step. First: ./scripts/keymill grow --undo ${undo}`);
  return { step: undo, way: 'undo' };
}

function wantsChange({ yes, step, undo }: GrowOptions): boolean {
  return yes !== undefined || step !== undefined || undo !== undefined;
}

/** @throws UsageError when the cluster did not begin small, or has a wire */
function refuseOther(state: State): void {
  const { setup, growth } = state;
  if (setup.keySource === 'pools' && growth === undefined)
    throw new UsageError(
      'the cluster here is a full one already. To change its numbers: ./scripts/up --help',
    );
  if (isFaultable(state))
    throw new UsageError('a cluster of up --faultable cannot grow: its wire would be restarted');
}

/** For a cluster that does not run as processes here. @throws UsageError when steps should be made */
function advise(runDir: RunDir, options: GrowOptions, terminal: Terminal): void {
  const isElsewhere =
    findContainerMark(runDir) !== undefined || terminal.env['KEYMILL_URLS_DBS'] !== undefined;
  if (!isElsewhere)
    throw new UsageError(
      `no cluster is running here (${runDir.path}).\nStart a small one:  ./scripts/up --small`,
    );
  if (wantsChange(options))
    throw new UsageError(
      'grow makes steps only for a cluster of processes that ./scripts/up runs here. Without an option it lists them.',
    );
  if (options.json) printJson(terminal, { steps: BY_HAND });
  else printLines(terminal, BY_HAND);
}
