import { messageOf } from '../../runtime/errors.ts';
import { StartError } from '../servers/process.ts';
import { addressesOf, type Addresses } from './environment.ts';
import { ClusterError } from './errors.ts';
import type { UpOptions } from './options.ts';
import type { Progress } from './progress.ts';
import type { RunDir } from './run-dir.ts';
import { startServers, type Launch } from './servers.ts';
import { resolveShape, type Shape } from './shape.ts';
import type { State } from './state.ts';
import { stopRecorded } from './stop.ts';

/** What runs once `bringUp` has returned. */
export interface BroughtUp {
  readonly shape: Shape;
  readonly addresses: Addresses;
}

/**
 * Brings the cluster to what the options ask for: starts what is missing, ends what is too many, waits until all is ready.
 * When it fails or is aborted, everything that this call started is stopped before it throws.
 */
export async function bringUp(
  options: UpOptions,
  runDir: RunDir,
  state: State,
  progress: Progress,
  signal: AbortSignal,
): Promise<BroughtUp> {
  const existing = state.shape;
  const shape = resolveShape(
    options,
    existing === undefined
      ? undefined
      : { shape: existing, isEstablished: state.isEstablished, isUp: state.counts !== undefined },
  );
  runDir.make();
  state.recordShape(shape);
  const startedHere: string[] = [];
  const launch: Launch = {
    runDir,
    state,
    progress,
    signal,
    onSpawn: (id, kind, spawned) => {
      startedHere.push(id);
      state.recordProcess(id, kind, spawned);
    },
  };
  try {
    await startServers(shape, launch);
    const addresses = addressesOf(shape, state, (id) => portOf(state, id));
    return { shape, addresses };
  } catch (error) {
    await stopStarted(state, startedHere, progress);
    throw signal.aborted ? error : explain(error);
  }
}

function portOf(state: State, id: string): number {
  const port = state.port(id);
  if (port === undefined) throw new ClusterError(`${id} has no port on record`);
  return port;
}

async function stopStarted(state: State, ids: readonly string[], progress: Progress): Promise<void> {
  if (ids.length > 0) progress.line('stopping what was started …');
  const entries = state.processes().filter(({ id }) => ids.includes(id));
  for (const group of [['mapper'], ['producer'], ['redis', 'mysql', 'zookeeper']]) {
    await Promise.all(
      entries
        .filter(({ kind }) => group.includes(kind))
        .map(async ({ id, kind, ...identity }) => stopRecorded(state, id, kind, identity, progress)),
    );
  }
}

function explain(error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const log = error.lastLines.map((line) => `    ${line}`).join('\n');
  return new ClusterError(
    `${messageOf(error)}\n${log === '' ? '' : `The end of its log:\n${log}\n`}${adviceFor(error.lastLines)}`,
  );
}

/** What to do about the commonest causes, by what the log says. */
function adviceFor(lines: readonly string[]): string {
  const text = lines.join('\n');
  const advice: [RegExp, string][] = [
    [/No space left|disk is full|ENOSPC/i, 'The disk is full: make room, then run ./scripts/up again.'],
    [
      /Address already in use|BindException|EADDRINUSE/i,
      'Somebody took its port meanwhile: run ./scripts/up again, it picks another.',
    ],
    [
      /Cannot allocate memory|OutOfMemory|insufficient memory|ENOMEM/i,
      'There is not enough memory: the cluster takes some 2 GB, up to 4 GB when its caches are full.',
    ],
    [
      /Permission denied|EACCES/i,
      'It may not read or write its files: was the cluster started by another user? ./scripts/down --wipe as that user, or set KEYMILL_RUN_DIR.',
    ],
    [
      /BAD_CONFIG|configuration: \d+ fault/,
      'A KEYMILL_ variable in your environment is wrong: mend or unset it.',
    ],
  ];
  return (
    advice.find(([pattern]) => pattern.test(text))?.[1] ??
    'Mend what the log names, then run ./scripts/up again. If the data may go: ./scripts/down --wipe begins anew.'
  );
}
