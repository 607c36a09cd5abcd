import './v8-flags.ts';
import { aborted } from '../runtime/aborted.ts';
import { readMapperConfig } from '../runtime/config/config.ts';
import { runMain, type Scope } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { SHUTDOWN_DEADLINE_MS, startServing, type ServingMapper } from './mapper.ts';
import type { Question, ToChild, ToParent } from './processes/process-messages.ts';

/** When the parent has vanished nobody listens for us any more: what is under way is finished, and no time lost. */
const ORPHAN_TIMING = { lameDuckMs: 0, drainMs: 1_000 };

/** One of several processes of a mapper: serves the port that all of them share, and shows itself only to the parent. */
await runMain(() => {
  // By name and port as the parent resolved them: both may be left to the process to choose.
  const [id = '', port = ''] = process.argv.slice(2);
  const read = readMapperConfig();
  const config = { ...read, id, http: { ...read.http, port: Number(port) } };
  const log = createLog('mapper', config.id, config.logLevel).child({ role: 'process' });
  return {
    log,
    shutdownDeadlineMs: SHUTDOWN_DEADLINE_MS,
    start: async (scope) => {
      const orphaned = stopWithParent(scope);
      const begin = untilToldToBegin(scope.signal);
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

/** Resolves when the parent counts us among those it asks for their keys, or when stopping begins first. */
async function untilToldToBegin(signal: AbortSignal): Promise<void> {
  const begun = new Promise<void>((resolve) => {
    process.on('message', (message: ToChild) => {
      if (message.kind === 'begin') resolve();
    });
  });
  await Promise.race([begun, aborted(signal)]);
}

/** Asked before it serves, it answers as soon as it does; only of its keys it can tell at once, for it takes none before. */
function answerQuestions(serving: Promise<ServingMapper>): void {
  let mapper: ServingMapper | undefined;
  void serving.then((started) => (mapper = started));
  process.on('message', (message: ToChild) => {
    if (message.kind !== 'question') return;
    void (async () => {
      const isEmpty = message.question === 'reserve' && mapper === undefined;
      const answer = isEmpty ? [] : await answerOf(await serving, message.question);
      send({ kind: 'answer', id: message.id, answer });
    })();
  });
}

async function answerOf(mapper: ServingMapper, question: Question): Promise<unknown> {
  switch (question) {
    case 'readiness':
      return mapper.readiness();
    case 'reserve':
      return mapper.heldKeys();
    case 'metrics':
      return mapper.metrics.snapshot();
    default:
      return question satisfies never;
  }
}

function send(message: ToParent): void {
  // A channel that has just closed is reported by `disconnect`.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
