import { aborted } from './aborted.ts';
import { messageOf } from './errors.ts';
import { untilWritten, type Log } from './log.ts';
import { withDeadline } from './retry.ts';

/**
 * What the main function of a process receives: a signal to stop, and a place to register releases.
 *
 * Stopping runs the releases in reverse order of registration, each with a time limit, also after a start
 * that failed half-way.
 */
export interface Scope {
  /** Aborted by the first SIGTERM or SIGINT, or by {@link Scope.fail}. */
  readonly signal: AbortSignal;
  /** Registers a release. `what` names it in the log when it fails or overruns. */
  onRelease(what: string, release: () => unknown): void;
  /** Registers a disposable and returns it. */
  use<T extends AsyncDisposable>(what: string, resource: T): T;
  /**
   * Stops like the first signal. One signal that follows is ignored: a parent process has asked to stop, and
   * our process group got its signal too.
   */
  stop(why: string): void;
  /** The process has lost something that it cannot work without: stop, and exit with code 1. */
  fail(error: unknown): void;
}

export interface RunOptions {
  readonly log: Log;
  /** How long all releases together may take before the process exits anyway. */
  readonly shutdownDeadlineMs: number;
  /** How long one release may take. */
  readonly releaseDeadlineMs?: number;
}

/** How long the reader of the log may take to receive the last lines. */
const LAST_LINES_MS = 250;

/**
 * Runs one process from start to exit code.
 *
 * `start` begins the work and returns. The process then runs until a signal or a failure, releases everything
 * in reverse order and ends. A second signal, or the shutdown deadline, ends it immediately. After the ideas
 * of Matteo Collina's close-with-grace and of `withReleasers` in graphile-worker.
 *
 * @returns the exit code: 0 after a signal, 1 after a failure. {@link runMain} also exits with it.
 */
export async function run(options: RunOptions, start: (scope: Scope) => Promise<void>): Promise<number> {
  const { log, shutdownDeadlineMs, releaseDeadlineMs = shutdownDeadlineMs } = options;
  const stopping = new AbortController();
  const releases: { what: string; release: () => unknown }[] = [];
  let exitCode = 0;

  const fail = (error: unknown): void => {
    if (stopping.signal.aborted) return;
    log.fatal({ error }, 'stopping after a failure');
    exitCode = 1;
    stopping.abort(error);
  };
  const stop = (why: string): void => {
    if (stopping.signal.aborted) return;
    log.info({ why }, 'stopping');
    stopping.abort(new Error(why));
  };
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) {
      log.warn({ signal }, 'second signal: exiting immediately');
      process.exit(1);
    }
    stop(`received ${signal}`);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  process.on('uncaughtException', fail).on('unhandledRejection', fail);

  const scope: Scope = {
    signal: stopping.signal,
    onRelease: (what, release) => void releases.push({ what, release }),
    use: (what, resource) => {
      releases.push({ what, release: () => resource[Symbol.asyncDispose]() });
      return resource;
    },
    stop,
    fail,
  };

  try {
    await start(scope);
    if (!stopping.signal.aborted) await untilAborted(stopping.signal);
  } catch (error) {
    if (!stopping.signal.aborted) fail(error);
  }

  const watchdog = setTimeout(() => {
    log.fatal({ shutdownDeadlineMs }, 'shutdown overran its deadline');
    process.exit(1);
  }, shutdownDeadlineMs);
  for (const { what, release } of releases.reverse()) {
    try {
      await withDeadline(`release of ${what}`, releaseDeadlineMs, async () => {
        await release();
      });
    } catch (error) {
      log.error({ error, what }, 'release failed');
      exitCode = 1;
    }
  }
  clearTimeout(watchdog);
  process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  process.off('uncaughtException', fail).off('unhandledRejection', fail);
  log.info({ exitCode }, 'stopped');
  return exitCode;
}

/**
 * Everything that a `main.ts` does: reads the configuration, runs, exits with the code of {@link run}.
 * An error in `prepare` (an invalid configuration) is printed on stderr and exits with code 2.
 */
export async function runMain(
  prepare: () => RunOptions & { start: (scope: Scope) => Promise<void> },
): Promise<void> {
  let prepared: ReturnType<typeof prepare>;
  try {
    prepared = prepare();
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 2;
    return;
  }
  const exitCode = await run(prepared, prepared.start);
  await untilWritten(prepared.log, LAST_LINES_MS);
  // A handle that was not closed must not keep a stopped process alive.
  process.exit(exitCode);
}

/** {@link aborted}, and keeps a process alive meanwhile that has no other handle. */
async function untilAborted(signal: AbortSignal): Promise<void> {
  const keepAlive = setInterval(() => undefined, 0x7fffffff);
  await aborted(signal);
  clearInterval(keepAlive);
}
