import './v8-flags.ts';
import '../runtime/config/thread-pool.ts';
import { aborted } from '../runtime/aborted.ts';
import { readMapperConfig } from '../runtime/config/config.ts';
import { runMain, type Scope } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { SHUTDOWN_DEADLINE_MS, startServing, type ServingMapper } from './mapper.ts';
import type { Question, ToChild, ToParent } from './processes/process-messages.ts';

/** When the parent has vanished, only the requests in flight are finished. */
const ORPHAN_TIMING = { lameDuckMs: 0, drainMs: 1_000 };

/**
 * One of several processes of a mapper. It serves the port that all of them share. It has no admin port: the
 * parent asks it and answers for it.
 */
await runMain(() => {
  // Name and port from the parent, because the configuration may leave both open.
  const [id = '', port = ''] = process.argv.slice(2);
  const read = readMapperConfig();
  const config = { ...read, id, http: { ...read.http, port: Number(port) } };
  const log = createLog('mapper', config.id, config.logLevel).child({ role: 'process' });
  return {
    log,
    shutdownDeadlineMs: SHUTDOWN_DEADLINE_MS,
    start: async (scope) => {
      const orphaned = stopWithParent(scope);
      const begin = untilBegun(scope.signal);
      const serving = Promise.withResolvers<ServingMapper>();
      answerQuestions(serving.promise);
      send({ kind: 'loaded' });
      await begin;
      if (scope.signal.aborted) return;
      const mapper = await startServing({ config, log, signal: scope.signal });
      serving.resolve(mapper);
      scope.onRelease('mapper', async () => mapper.stop(orphaned.aborted ? ORPHAN_TIMING : {}));
      send({ kind: 'serving', url: mapper.url, publicUrl: mapper.publicUrl });
    },
  };
});

/** @returns aborted when the parent has vanished */
function stopWithParent(scope: Scope): AbortSignal {
  const orphaned = new AbortController();
  process.on('message', (message: ToChild) => {
    if (message.kind === 'stop') scope.stop('the parent asks to stop');
  });
  process.once('disconnect', () => {
    orphaned.abort();
    scope.stop('the parent has vanished');
  });
  return orphaned.signal;
}

/** Resolves when the parent asks this process for its keys from now on, or when stopping begins first. */
async function untilBegun(signal: AbortSignal): Promise<void> {
  const begun = new Promise<void>((resolve) => {
    process.on('message', (message: ToChild) => {
      if (message.kind === 'begin') resolve();
    });
  });
  await Promise.race([begun, aborted(signal)]);
}

/**
 * Answers the parent's questions once the mapper serves. Only the question for its keys is answered earlier,
 * with none: a mapper takes no key until it serves.
 */
function answerQuestions(serving: Promise<ServingMapper>): void {
  let mapper: ServingMapper | undefined;
  void serving.then((started) => (mapper = started));
  process.on('message', (message: ToChild) => {
    if (message.kind !== 'question') return;
    void (async () => {
      const isEmpty = message.question === 'reserve' && mapper === undefined;
      const answer = isEmpty ? { keys: [], ranges: [] } : await answerOf(await serving, message.question);
      send({ kind: 'answer', id: message.id, answer });
    })();
  });
}

async function answerOf(mapper: ServingMapper, question: Question): Promise<unknown> {
  switch (question) {
    case 'readiness':
      return mapper.readiness();
    case 'reserve':
      return mapper.held();
    case 'metrics':
      return mapper.metrics.snapshot();
    default:
      return question satisfies never;
  }
}

function send(message: ToParent): void {
  // A channel that has just closed is not an error here: `disconnect` reports it.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
