import { Readable } from 'node:stream';
import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { formatIdentity, type KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';

const PREFIX = 'keyspaces/';

/**
 * Writes into the store that our cluster keeps images there. For a cluster every blob of another one looks
 * like an upload that failed, and a sweep would delete it.
 * @throws StoreUnavailableError
 */
export async function recordOwner(
  store: Pick<BlobStore, 'stat' | 'put'>,
  keyspace: KeyspaceIdentity,
): Promise<void> {
  const name = nameOf(keyspace);
  if ((await store.stat(name)) !== undefined) return;
  const text = Buffer.from(`${formatIdentity(keyspace)}\n`);
  await store.put(name, { bytes: text.length, read: () => Readable.from([text]) });
}

/**
 * Why not all images of the store are ours; undefined: they are.
 * @throws StoreUnavailableError
 */
export async function whyShared(
  store: Pick<BlobStore, 'list'>,
  keyspace: KeyspaceIdentity,
): Promise<string | undefined> {
  const names = await recordedIn(store);
  if (!names.includes(nameOf(keyspace))) return 'the store does not say that its images are ours';
  return names.length === 1 ? undefined : ANOTHER;
}

/**
 * The same for who has not written into the store that he keeps images there, and only wants to know whether
 * others do.
 */
export async function whyOthersShare(
  store: Pick<BlobStore, 'list'>,
  keyspace: KeyspaceIdentity,
): Promise<string | undefined> {
  const others = (await recordedIn(store)).filter((name) => name !== nameOf(keyspace));
  return others.length === 0 ? undefined : ANOTHER;
}

/**
 * A `put` that writes the record of our cluster before the first bytes of this process. Then no other cluster
 * takes them for uploads that failed, also before our first sweep.
 */
export function recordingPut(
  store: Pick<BlobStore, 'stat' | 'put'>,
  keyspace: KeyspaceIdentity,
): BlobStore['put'] {
  let isRecorded = false;
  return async (name, content) => {
    if (!isRecorded) await recordOwner(store, keyspace);
    isRecorded = true;
    await store.put(name, content);
  };
}

const ANOTHER = 'another cluster, with another key secret, has images there too';

async function recordedIn(store: Pick<BlobStore, 'list'>): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(PREFIX)) names.push(name);
  return names;
}

function nameOf({ fingerprint }: KeyspaceIdentity): string {
  return `${PREFIX}${fingerprint}`;
}
