import { open, type FileHandle } from 'node:fs/promises';
import type { ImportOutcome } from '../../mapper/import-jobs/stored-outcome.ts';
import { toCsvCell } from '../../mapper/import/write-links.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';

/** The file that says which links have got another code. */
export interface RenameMap extends AsyncDisposable {
  add(outcomes: readonly ImportOutcome[]): Promise<void>;
}

/**
 * Begins the file anew: an import that goes on finds the same keys again, so the file is complete after it.
 * @param path undefined: no code may be replaced, and there is no file
 * @throws UsageError when the file cannot be written
 */
export async function openRenameMap(path: string | undefined): Promise<RenameMap> {
  const file = path === undefined ? undefined : await openFile(path);
  await file?.write('former_code,unique_id\r\n');
  return {
    add: async (outcomes) => {
      const lines = outcomes.flatMap((outcome) => {
        if (!('result' in outcome) || outcome.link.former_code === null) return [];
        return [`${toCsvCell(outcome.link.former_code)},${toCsvCell(outcome.unique_id)}\r\n`];
      });
      if (lines.length > 0) await file?.write(lines.join(''));
    },
    [Symbol.asyncDispose]: async () => file?.close(),
  };
}

async function openFile(path: string): Promise<FileHandle> {
  return open(path, 'w').catch((error: unknown) => {
    throw new UsageError(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`);
  });
}
