import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareDirectory } from '../../../db/blobs/directory-layout.ts';
import { DirectoryStore } from '../../../db/blobs/directory-store.ts';
import { DiskCalls } from '../../../db/blobs/disk-calls.ts';
import { testFolder } from '../../servers.ts';
import { describeBlobStore } from './blob-store.contract.ts';

describe('a blob store in a directory', () => {
  describeBlobStore(async () => {
    const root = await newRoot();
    return new DirectoryStore(root, new DiskCalls());
  });
});

async function newRoot(): Promise<string> {
  const root = await mkdtemp(join(testFolder(), 'blobs-'));
  await prepareDirectory(root, new DiskCalls());
  return root;
}
