import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { UrlsWatch } from '../../../db/audit/urls-watch.ts';
import { openBlobStore, prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import type { BlobStore } from '../../../db/blobs/blob-store.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { blobNameOf, imageTarget, type ImageFacts } from '../../../db/urls/image-facts.ts';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import type { BlobsConfig } from '../../../runtime/config/images.ts';
import type { StoresConfig } from '../../../runtime/config/stores.ts';
import { testSystem, type TestSystem } from '../../db/audit-fixture.ts';
import { contentOf, namesOf } from '../../db/blobs/contents.ts';
import { log } from '../../db/keys-db-fixture.ts';
import { linkRow, LOWER, randomKey, UPPER, withSql } from '../../db/urls-fixture.ts';
import { testFolder, testS3 } from '../../servers.ts';

/** Real stores with images in them, which the tests write in place of a mapper. */
export interface ImageWorld extends AsyncDisposable {
  readonly system: TestSystem;
  readonly store: BlobStore;
  readonly blobs: BlobsConfig;
  readonly stores: Pick<StoresConfig, 'urlsDbs' | 'keysDbs'>;
  /** Looks at the urls servers like the holders of all keys-dbs. */
  beat(): Promise<void>;
  /** Stores bytes under a new key, or under `key`, and binds nothing. @returns the name of the blob */
  put(key?: string, bytes?: Buffer): Promise<string>;
  /** Makes a link of a blob that {@link put} has stored. */
  bind(blob: string): Promise<void>;
  /** An image with its bytes. Times are in days from now. */
  addImage(image?: {
    deletedAt?: number;
    expiresAt?: number;
    rules?: LinkRules;
    userId?: bigint;
    key?: string;
  }): Promise<{ key: string; blob: string; facts: ImageFacts }>;
  /** Runs a statement on the urls server of a key. */
  onServerOf(key: string, sql: string, params?: readonly (string | bigint | Date | null)[]): Promise<void>;
  names(): Promise<string[]>;
  /** Makes all blobs of a directory older. */
  age(hours: number): Promise<void>;
}

export type StoreKind = 'directory' | 's3';

export async function openImageWorld(kind: StoreKind): Promise<ImageWorld> {
  await using stack = new AsyncDisposableStack();
  const system = stack.use(await testSystem({ keysPerShard: 10 }));
  for (const urlsDb of system.urlsDbs) await urlsDb.verifySlots();
  const blobs = await newStore(kind);
  await prepareBlobStore(blobs);
  const store = await openBlobStore(blobs, { log, pollMs: 0 });
  stack.defer(async () => store.close());
  const stores = {
    urlsDbs: system.urlsDbs.map(({ name }, i) => ({
      name,
      url: system.urlsDbUrls[i] ?? '',
      slots: i === 0 ? LOWER : UPPER,
    })),
    keysDbs: system.shards.map(({ db, url }) => ({ name: db.name, url, region: db.region })),
  };
  const watches = system.shards.map(
    ({ db }) =>
      new UrlsWatch({
        keysDb: db,
        epoch: 1,
        urlsDbs: system.urlsDbs,
        log,
        onChange: () => undefined,
        onAlarms: () => undefined,
      }),
  );
  const put: ImageWorld['put'] = async (key = randomKey(), bytes = randomBytes(100)) => {
    const name = blobNameOf(key, createHash('sha256').update(bytes).digest('hex'));
    await store.put(name, contentOf(bytes));
    return name;
  };
  const onServerOf: ImageWorld['onServerOf'] = async (key, sql, params = []) =>
    withSql(system.urlsDbUrls[LOWER.includes(slotOf(key)) ? 0 : 1] ?? '', async (db) => {
      await db.execute(sql, params);
    });
  const insert = async (facts: ImageFacts, key: string, rules: LinkRules = {}): Promise<void> => {
    const server = system.urlsDbs[LOWER.includes(slotOf(key)) ? 0 : 1];
    await server?.insert([linkRow(key, { longUrl: imageTarget(facts.sha256) })]);
    await onServerOf(
      key,
      'UPDATE urls SET ruled_url = original_url, original_url = NULL, rules = ? WHERE slot = ? AND unique_id = ?',
      [JSON.stringify({ image: facts, ...rules }), String(slotOf(key)), key],
    );
  };
  const owned = stack.move();
  return {
    system,
    store,
    blobs,
    stores,
    put,
    onServerOf,
    bind: async (blob) => {
      const [, key = '', sha256 = ''] = blob.split('/');
      await insert({ type: 'png', width: 3, height: 2, bytes: 100, sha256, deleteTokenHash: sha256 }, key);
    },
    beat: async () => {
      for (const watch of watches) await watch.beat();
    },
    addImage: async ({ deletedAt, expiresAt, rules = {}, userId, key = randomKey() } = {}) => {
      const bytes = randomBytes(100 + Math.floor(Math.random() * 1_000));
      const blob = await put(key, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const facts: ImageFacts = {
        type: 'png',
        width: 3,
        height: 2,
        bytes: bytes.length,
        sha256,
        deleteTokenHash: sha256,
      };
      await insert(facts, key, rules);
      await onServerOf(
        key,
        'UPDATE urls SET deleted_at = ?, expires_at = ?, user_id = ? WHERE slot = ? AND unique_id = ?',
        [inDays(deletedAt), inDays(expiresAt), userId ?? null, String(slotOf(key)), key],
      );
      if (userId !== undefined)
        await onServerOf(
          key,
          `INSERT INTO owned (user_id, created_at, unique_id, slot, target_hash)
           SELECT user_id, created_at, unique_id, slot, REPEAT('x', 16) FROM urls WHERE slot = ? AND unique_id = ?`,
          [String(slotOf(key)), key],
        );
      return { key, blob, facts };
    },
    names: async () => namesOf(store, 'images/'),
    age: async (hours) => {
      if (blobs.kind !== 'directory') throw new Error('only files can be made older');
      const at = new Date(Date.now() - hours * 3_600_000);
      const files = await readdir(blobs.path, { recursive: true, withFileTypes: true });
      for (const { parentPath, name } of files.filter((file) => file.isFile() && !file.name.startsWith('.')))
        await utimes(join(parentPath, name), at, at);
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  };
}

async function newStore(kind: StoreKind): Promise<BlobsConfig> {
  if (kind === 'directory') return { kind, path: await mkdtemp(join(testFolder(), 'images-')) };
  const { server, bucket } = await testS3();
  const { endpoint, accessKey, secret } = server;
  return { kind, endpoint, bucket, accessKey, secret };
}

function inDays(days: number | undefined): Date | null {
  return days === undefined ? null : new Date(Date.now() + days * 86_400_000);
}
