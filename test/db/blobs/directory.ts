import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareDirectory, SPOOL } from '../../../db/blobs/directory-layout.ts';
import { DirectoryStore } from '../../../db/blobs/directory-store.ts';
import { DiskCalls, type DiskCallsOptions } from '../../../db/blobs/disk-calls.ts';

/** A new directory that is prepared as a blob store. */
export async function newRoot(parent: string): Promise<string> {
  const root = await mkdtemp(join(parent, 'blobs-'));
  await prepareDirectory(root, new DiskCalls());
  return root;
}

export function storeIn(root: string, options: DiskCallsOptions = {}): DirectoryStore {
  return new DirectoryStore(root, new DiskCalls(options));
}

export async function spooledIn(root: string): Promise<string[]> {
  return readdir(join(root, SPOOL));
}

/** Calls `act` before step number `step` (from 1) of what a store does. */
export function atStep(
  step: number,
  act: (name: string) => void | Promise<void>,
): DiskCallsOptions['before'] {
  let count = 0;
  return (name) => {
    count += 1;
    return count === step ? act(name) : undefined;
  };
}

/** Does `round` for step 1, 2, … until it says that there was no such step. @returns how many there were */
export async function forEachStep(round: (step: number) => Promise<boolean>): Promise<number> {
  let step = 1;
  while (await round(step)) step += 1;
  return step - 1;
}
