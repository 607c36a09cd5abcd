import { globSync } from 'node:fs';
import { messageOf } from '../../runtime/errors.ts';
import { add, NOTHING, type Tally } from '../checks/tally.ts';
import type { ProgressLog } from '../cluster/progress-log.ts';
import { REPOSITORY } from '../cluster/run-dir.ts';
import { belongingsOn, cleanEngine, removeEngineDir, whatIsLeft, type Belonging } from './clean.ts';
import { NoEngineError, openEngine, type Engine } from './engine.ts';
import { buildImage, ownImage } from './image.ts';
import { ensureImages } from './stand-ins.ts';

/** They need a Docker engine. */
export const CONTAINER_TESTS = 'test/containers/';

/** Both implementations of the servers for tests keep it; here the one by testcontainers does. */
const CONTRACT = 'test/servers/contract.test.ts';

const ONE_FAILED: Tally = { ...NOTHING, failed: 1 };
const ONE_SKIPPED: Tally = { ...NOTHING, skipped: 1 };
const ONE_PASSED: Tally = { ...NOTHING, passed: 1 };

interface SuiteOptions {
  /** Removes everything that was made on the engine, and looks whether anything is left; an engine of our own goes altogether. */
  readonly isClean: boolean;
  /** On a machine that lets no engine be started the suite is skipped, and not failed. Whatever goes wrong on an engine is a failure. */
  readonly isWherePossible: boolean;
  /** Aborted when it is to stop: what was started is stopped, and the suite has failed. */
  readonly signal: AbortSignal;
  readonly progress: ProgressLog;
  readonly runMocha: (files: readonly string[], env: NodeJS.ProcessEnv) => Promise<Tally>;
}

/**
 * The suite on a Docker engine: the one that answers, else one of our own, which is stopped at the end. A machine on which no container
 * can be run has failed it, unless it may be skipped there.
 */
export async function runContainerSuite(options: SuiteOptions): Promise<Tally> {
  const { isClean, isWherePossible, progress } = options;
  const report = (what: string): void => progress.line(what);
  let tally = NOTHING;
  try {
    const engine = await openEngine(report);
    let before: readonly Belonging[] | undefined;
    try {
      before = await belongingsOn(engine);
      tally = add(tally, await runOn(engine, options));
      if (isClean) tally = add(tally, await cleanUp(engine, before, report));
    } finally {
      await engine.release();
      if (isClean && before !== undefined) removeEngineDir(engine, before);
    }
    report(isClean ? 'everything of ours is removed' : 'done');
  } catch (error) {
    const isSkipped = isWherePossible && error instanceof NoEngineError;
    report(`no container suite: ${messageOf(error)}`);
    tally = add(tally, isSkipped ? ONE_SKIPPED : ONE_FAILED);
  }
  return tally;
}

async function runOn({ docker }: Engine, { progress, runMocha, signal }: SuiteOptions): Promise<Tally> {
  const report = (what: string): void => progress.line(what);
  await ensureImages(docker, report, undefined, signal);
  report(`building ${ownImage()} …`);
  await buildImage(docker, signal);
  report('every image is there');
  const files = globSync(`${CONTAINER_TESTS}**/*.test.ts`, { cwd: REPOSITORY }).toSorted();
  const clusters = await runMocha(files, {});
  signal.throwIfAborted();
  report('the servers for tests, by testcontainers');
  return add(clusters, await runMocha([CONTRACT], { SERVICES: 'containers' }));
}

async function cleanUp(
  engine: Engine,
  before: readonly Belonging[],
  report: (what: string) => void,
): Promise<Tally> {
  await cleanEngine(engine, before);
  const left = await whatIsLeft(engine, before);
  for (const what of left) report(`left behind: ${what}`);
  return left.length === 0 ? ONE_PASSED : ONE_FAILED;
}
