import { messageOf } from '../../runtime/errors.ts';
import { StartError } from '../servers/process.ts';
import { ClusterError } from './errors.ts';

/** A failed start in words for a person: the reason, the end of the culprit's log, and what to do. */
export function explain(error: unknown): unknown {
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
