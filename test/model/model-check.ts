import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MODEL = join(import.meta.dirname, 'hand-off.pml');
/** In MB; the largest check takes some 250. */
const MEMORY_LIMIT = 1_500;
const TIMEOUT_MS = 240_000;

export interface ModelResult {
  /** The property that does not hold: the name of an assertion, or `takeover`; undefined if all hold. */
  readonly broken: string | undefined;
  /** Every reachable state was visited. */
  readonly isExhaustive: boolean;
  readonly states: number;
  readonly depth: number;
}

export interface ModelCheck {
  /** Bounds and switches of the model, as for the C preprocessor: `REIGNS=2`, `NO_RECONCILE`. */
  readonly defines: readonly string[];
  /**
   * The search is expected to end early, at a broken property: then compiling fast counts for more than
   * searching fast.
   */
  readonly isMutant?: boolean;
  /** Checks that a takeover always comes to its end, under weak fairness, instead of the assertions. */
  readonly isLiveness?: boolean;
}

/**
 * Visits all states of the model of the hand-off within these bounds.
 * @throws if spin, gcc or the search itself fails
 */
export async function checkModel({
  defines,
  isMutant = false,
  isLiveness = false,
}: ModelCheck): Promise<ModelResult> {
  const folder = await mkdtemp(join(tmpdir(), 'keymill-model-'));
  try {
    const options = { cwd: folder, timeout: TIMEOUT_MS, maxBuffer: 10_000_000 };
    const switches = [...defines, ...(isLiveness ? ['LIVENESS'] : [])].map((define) => `-D${define}`);
    await run('spin', [...switches, '-a', MODEL], options);
    const kind = isLiveness ? '-DNFAIR=3' : '-DSAFETY';
    const limits = ['-DCOLLAPSE', `-DMEMLIM=${MEMORY_LIMIT}`, '-DVECTORSZ=1024'];
    await run('gcc', [isMutant ? '-O0' : '-O1', '-w', kind, ...limits, '-o', 'pan', 'pan.c'], options);
    const search = isLiveness ? ['-a', '-f'] : [];
    const { stdout } = await run('./pan', ['-m100000', '-w20', '-n', ...search], options);
    return parseResult(stdout);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What pan says at its end. @throws if it says no result */
export function parseResult(output: string): ModelResult {
  const states = /^\s*(\d+) states, stored/m.exec(output)?.[1];
  const [, depth, errors] = /depth reached (\d+), errors: (\d+)/.exec(output) ?? [];
  if (states === undefined || depth === undefined) throw new Error(`no result of the search:\n${output}`);
  const assertion = /assertion violated\s+!\(*(\w+)\)*/.exec(output)?.[1];
  const cycle = output.includes('acceptance cycle') && errors !== '0' ? 'takeover' : undefined;
  const broken = assertion ?? cycle ?? (errors === '0' ? undefined : 'unknown');
  const isCutShort = /max search depth too small|Search not completed|out of memory|memory limit/i.test(
    output,
  );
  return { broken, isExhaustive: !isCutShort, states: Number(states), depth: Number(depth) };
}
