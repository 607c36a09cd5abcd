import { globSync } from 'node:fs';
import { messageOf } from '../../runtime/errors.ts';
import { add, NOTHING, type Tally } from '../checks/tally.ts';
import type { ProgressLog } from '../cluster/progress-log.ts';
import { REPOSITORY } from '../cluster/run-dir.ts';
import { belongingsOn, cleanEngine, removeEngineDir, whatIsLeft, type Belonging } from './clean.ts';
import { NoEngineError, openEngine, type Engine } from './engine.ts';
import { buildImage, ownImage } from './image.ts';
import { ensureImages } from './stand-ins.ts';

/** The folder of the tests that need a Docker engine. */
export const CONTAINER_TESTS = 'test/containers/';

/** The contract of both kinds of test servers. Here it tests those of testcontainers. */
const CONTRACT = 'test/servers/contract.test.ts';

const ONE_FAILED: Tally = { ...NOTHING, failed: 1 };
const ONE_SKIPPED: Tally = { ...NOTHING, skipped: 1 };
const ONE_PASSED: Tally = { ...NOTHING, passed: 1 };

interface SuiteOptions {
  /**
   * Removes everything that the suite made on the engine, and checks that nothing is left. Deletes a private
   * engine.
   */
  readonly isClean: boolean;
  /** When no engine can be started, the suite counts as skipped instead of failed. */
  readonly isWherePossible: boolean;
  /** When aborted, the suite stops everything that it started, and has failed. */
  readonly signal: AbortSignal;
  readonly progress: ProgressLog;
  readonly runMocha: (files: readonly string[], env: NodeJS.ProcessEnv) => Promise<Tally>;
}

/** Runs the suite on the Docker engine that answers, or on a private one, which it stops at the end. */
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
    report(isClean ? 'everything that we made is removed' : 'done');
  } catch (error) {
    const isSkipped = isWherePossible && error instanceof NoEngineError;
    report(`no container suite: ${messageOf(error)}`);
    tally = add(tally, isSkipped ? ONE_SKIPPED : ONE_FAILED);
  }
  return tally;
}

async function runOn({ docker }: Engine, { progress, runMocha, signal }: SuiteOptions): Promise<Tally> {
  const report = (what: string): void => progress.line(what);
  await ensureImages(docker, { report, signal });
  report(`building ${ownImage()} …`);
  await buildImage(docker, signal);
  report('all images are ready');
  const files = globSync(`${CONTAINER_TESTS}**/*.test.ts`, { cwd: REPOSITORY }).toSorted();
  const clusters = await runMocha(files, {});
  signal.throwIfAborted();
  report('testing the test servers of testcontainers');
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
