import { messageOf } from '../../runtime/errors.ts';
import { StartError } from '../servers/process.ts';
import { ClusterError } from './errors.ts';

/**
 * Explains a failed start: the reason, the end of the process's log, and what to do. Returns other errors
 * unchanged.
 */
export function explain(error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const log = error.lastLines.map((line) => `    ${line}`).join('\n');
  return new ClusterError(
    `${messageOf(error)}\n${log === '' ? '' : `The end of its log:\n${log}\n`}${adviceFor(error.lastLines)}`,
  );
}

/** What to do about the most common causes, which are recognised by the log. */
function adviceFor(lines: readonly string[]): string {
  const text = lines.join('\n');
  const advice: [RegExp, string][] = [
    [/No space left|disk is full|ENOSPC/i, 'The disk is full: free some space, then run ./scripts/up again.'],
    [
      /Address already in use|BindException|EADDRINUSE/i,
      'Another program has taken its port: run ./scripts/up again, and it chooses another.',
    ],
    [
      /Cannot allocate memory|OutOfMemory|insufficient memory|ENOMEM/i,
      'There is not enough memory: the cluster needs about 2 GB, and up to 4 GB when its caches are full.',
    ],
    [
      /Permission denied|EACCES/i,
      'It has no permission to read or write its files. Did another user start this cluster? ' +
        'Then run ./scripts/down --wipe as that user, or set KEYMILL_RUN_DIR.',
    ],
    [
      /BAD_CONFIG|configuration: \d+ fault/,
      'A KEYMILL_ variable in your environment is wrong: correct or unset it.',
    ],
  ];
  return (
    advice.find(([pattern]) => pattern.test(text))?.[1] ??
    'Correct the fault that the log names, then run ./scripts/up again. ' +
      'If you do not need the data, start from scratch: ./scripts/down --wipe'
  );
}
