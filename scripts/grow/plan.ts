import { STEPS, type StepName } from './steps.ts';

/** A process of the cluster that the record wants to run. */
export interface SeenProcess {
  readonly id: string;
  /** It runs, and a mapper or producer says that it is ready. */
  readonly isReady: boolean;
}

export interface SeenMapper extends SeenProcess {
  /** It was started with other stores or settings than those on record, and must be restarted. */
  readonly isOutdated: boolean;
}

export interface SeenPool {
  readonly name: string;
  /** Undefined: no producer knows it. */
  readonly level: number | undefined;
  /** The low watermark. */
  readonly low: number | undefined;
}

/** A step, or its undoing, that has begun and not ended: its command failed or was killed. */
export interface Unfinished {
  readonly step: StepName;
  readonly way: 'grow' | 'undo';
}

/** A growing cluster as it is seen at one moment. */
export interface Sight {
  /** The steps that the record of the cluster contains, whether or not they were finished. */
  readonly recorded: ReadonlySet<StepName>;
  readonly unfinished: Unfinished | undefined;
  /** Whether MariaDB has its full memory and connections. Undefined: it does not answer. */
  readonly isMariadbLarge: boolean | undefined;
  readonly mappers: readonly SeenMapper[];
  readonly zookeepers: readonly SeenProcess[];
  readonly redis: readonly SeenProcess[];
  readonly producers: readonly SeenProcess[];
  readonly pools: readonly SeenPool[];
}

export interface PlannedStep {
  readonly name: StepName;
  /** `begun`: it was begun, and something is missing. Repeating it does no harm. */
  readonly state: 'done' | 'begun' | 'open';
  /** What is missing, or why the step must wait. Undefined for one that is done. */
  readonly why: string | undefined;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  /** The step to make now. Undefined: all are made. */
  readonly next: StepName | undefined;
  /** The step that `--undo` undoes. Undefined: the cluster is small. */
  readonly undo: StepName | undefined;
}

/** What is done, what is next, and why the rest must wait. Pure. */
export function planGrowth(sight: Sight): Plan {
  const judged = STEPS.map((name) => judge(name, sight));
  // Whatever a step that was interrupted has stopped, such as a mapper, its repetition starts again.
  const next = sight.unfinished?.step ?? judged.find(({ state }) => state !== 'done')?.name;
  const steps = judged.map((step): PlannedStep => {
    if (step.state === 'done' || step.name === next) return step;
    return {
      ...step,
      why: `after ${next}${step.state === 'begun' && step.why !== undefined ? `; ${step.why}` : ''}`,
    };
  });
  return { steps, next, undo: undoable(sight) };
}

/** An interrupted undoing is finished first: its record says already that the step was not made. */
function undoable({ recorded, unfinished }: Sight): StepName | undefined {
  return unfinished?.step ?? STEPS.findLast((step) => recorded.has(step));
}

function judge(name: StepName, sight: Sight): PlannedStep {
  const { recorded, unfinished } = sight;
  if (!recorded.has(name))
    return unfinished?.step === name
      ? { name, state: 'begun', why: 'it is half undone' }
      : { name, state: 'open', why: undefined };
  const missing = [...MISSING[name](sight), ...(restarts(name, sight) ? outdated(sight) : [])];
  if (missing.length === 0 && unfinished?.step !== name) return { name, state: 'done', why: undefined };
  const why = missing.length > 0 ? missing.join(', ') : 'it was interrupted';
  return { name, state: 'begun', why };
}

/** The steps that restart mappers. Between them, a mapper may lag behind the record. */
const RESTARTING: readonly StepName[] = ['stores', 'pools'];

/** Whether the mappers that are outdated wait for the end of this step. */
function restarts(name: StepName, { recorded }: Sight): boolean {
  return RESTARTING.includes(name) && STEPS.findLast((step) => recorded.has(step)) === name;
}

/** What a step on record lacks, in words. */
const MISSING: Readonly<Record<StepName, (sight: Sight) => string[]>> = {
  mapper: ({ mappers }) => notReady(mappers, 'is not ready'),
  memory: ({ isMariadbLarge }) => {
    if (isMariadbLarge === undefined) return ['MariaDB does not answer'];
    return isMariadbLarge ? [] : ['MariaDB is still small'];
  },
  zookeeper: ({ zookeepers }) => notReady(zookeepers, 'does not run'),
  stores: ({ redis }) => notReady(redis, 'does not run'),
  producers: ({ producers, pools, recorded }) => [
    ...notReady(producers, 'is not ready'),
    // Once mappers take keys from the pools, a level may be low for a moment.
    ...(recorded.has('pools') ? [] : lowPools(pools)),
  ],
  pools: () => [],
};

/** Pools from which no mapper may take keys yet. */
export function lowPools(pools: readonly SeenPool[]): string[] {
  return pools.flatMap(({ name, level, low }) => {
    if (level === undefined || low === undefined) return [`no producer fills ${name}`];
    return level > low ? [] : [`${name} has ${level} keys, and needs more than ${low}`];
  });
}

function notReady(processes: readonly SeenProcess[], what: string): string[] {
  return processes.filter(({ isReady }) => !isReady).map(({ id }) => `${id} ${what}`);
}

function outdated({ mappers }: Sight): string[] {
  return mappers.filter(({ isOutdated }) => isOutdated).map(({ id }) => `${id} must be restarted`);
}
