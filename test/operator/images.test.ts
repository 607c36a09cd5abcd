import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { migrate } from '../../db/mysql/migrate.ts';
import type { BlobsConfig } from '../../runtime/config/images.ts';
import { formatSlots } from '../../runtime/config/slots.ts';
import { contentOf } from '../db/blobs/contents.ts';
import { log } from '../db/keys-db-fixture.ts';
import { keyIn, LOWER } from '../db/urls-fixture.ts';
import { openImageWorld, type ImageWorld, type StoreKind } from '../mapper/images/image-world.ts';
import { testDatabase } from '../servers.ts';
import { runKeymill, type Outcome } from './run-keymill.ts';

const DAY_HOURS = 24;

/** A command has ended, and what it has printed is this. */
interface Printed<T> {
  readonly outcome: Outcome;
  readonly document: T;
}

for (const kind of ['directory', 's3'] satisfies StoreKind[])
  describe(`keymill images, with a store of the kind ${kind}`, function () {
    this.timeout(60_000);
    let world: ImageWorld;
    let env: Record<string, string>;
    let usersUrl = '';

    before(async () => {
      usersUrl = await testDatabase('users');
      await migrate(usersUrl, 'users', log);
    });

    beforeEach(async () => {
      world = await openImageWorld(kind);
      await world.beat();
      env = environmentOf(world, usersUrl);
    });

    afterEach(async () => world[Symbol.asyncDispose]());

    async function json(...args: string[]): Promise<Printed<unknown>> {
      const outcome = await runKeymill(['images', ...args, '--json'], env);
      expect(outcome.stdout, outcome.stderr).not.to.equal('');
      return { outcome, document: JSON.parse(outcome.stdout) };
    }

    interface Listed {
      readonly images: readonly { key: string; state: string; bytes: number; userId: string | null }[];
      readonly unreachable: readonly string[];
    }

    it('list: every image with its state, and those of one owner', async () => {
      const email = `${randomBytes(5).toString('hex')}@example.com`;
      const added = await runKeymill(['users', 'add', email, '--json'], env);
      const { user } = JSON.parse(added.stdout) as { user: { id: string } };
      const made = [
        await world.addImage(),
        await world.addImage({ deletedAt: -1 }),
        await world.addImage({ expiresAt: -1 }),
        await world.addImage({ rules: { disabled: true }, userId: BigInt(user.id) }),
        await world.addImage({ rules: { blocked: 'x' }, userId: BigInt(user.id) }),
      ];
      const states = ['live', 'deleted', 'expired', 'disabled', 'blocked'];
      const { outcome, document } = (await json('list')) as Printed<Listed>;
      expect(outcome.exitCode).to.equal(0);
      expect(document.unreachable).to.deep.equal([]);
      expect(document.images.map(({ key, state, bytes }) => `${key} ${state} ${bytes}`)).to.have.members(
        made.map(({ key, facts }, i) => `${key} ${states[i]} ${facts.bytes}`),
      );
      const own = (await json('list', '--owner', email)) as Printed<Listed>;
      expect(own.document.images.map(({ key }) => key)).to.have.members(made.slice(3).map(({ key }) => key));
      const text = await runKeymill(['images', 'list'], env);
      expect(text.stdout)
        .to.match(/3 × 2 px +\d+ B /)
        .and.match(/5 images, [\d.]+ k?B\n$/);
      const nobody = await runKeymill(['images', 'list', '--owner', 'nobody@example.com'], env);
      expect(nobody).to.include({ exitCode: 1, stdout: '' });
    });

    it('verify: nothing is missing, and then a blob, its length, its bytes and a link', async () => {
      const [whole, gone, cut, flipped] = [
        await world.addImage(),
        await world.addImage(),
        await world.addImage(),
        await world.addImage({ deletedAt: -1 }),
      ];
      await world.addImage({ deletedAt: -31 });
      await world.put();
      await world.store.put(`${whole.blob}-160`, contentOf(Buffer.from('thumbnail')));
      interface Verified {
        readonly images: number;
        readonly bytes: number;
        readonly blobs: number;
        readonly waiting: number;
        readonly faults: readonly { what: string; blob: string }[];
      }
      for (const options of [[], ['--hash']]) {
        const { outcome, document } = (await json('verify', ...options)) as Printed<Verified>;
        expect(document).to.deep.include({ images: 4, blobs: 7, waiting: 2, faults: [] });
        expect(outcome.exitCode, outcome.stderr).to.equal(0);
      }
      await world.store.delete(gone.blob);
      if (kind === 'directory') {
        await rewrite(world, cut.blob, (bytes) => bytes.subarray(1));
        await rewrite(world, flipped.blob, (bytes) => Buffer.from(bytes.map((byte) => byte ^ 1)));
        await world.age(DAY_HOURS + 1);
      }
      const { outcome, document } = (await json('verify', '--hash')) as Printed<Verified>;
      const found = document.faults.map(({ what, blob }) => `${what} ${blob}`);
      expect(found).to.include(`bytes-missing ${gone.blob}`);
      if (kind === 'directory') {
        expect(found).to.include(`wrong-length ${cut.blob}`).and.include(`wrong-hash ${flipped.blob}`);
        expect(document.faults.map(({ what }) => what)).to.include('link-missing');
      }
      expect(outcome.exitCode).to.equal(1);
      const text = await runKeymill(['images', 'verify'], env);
      expect(text.stdout).to.include(`an image has no bytes: ${gone.blob}`).and.include('NOT COMPLETE');
    });

    it('sweep: says what would go, then deletes it, and nothing a second time', async () => {
      const kept = await world.addImage();
      const deleted = await world.addImage({ deletedAt: -31 });
      interface Swept {
        readonly dryRun: boolean;
        readonly looked: number;
        readonly swept: Record<string, { blobs: number; bytes: number }>;
        readonly refusal: string | null;
      }
      const expected = { deleted: { blobs: 1, bytes: deleted.facts.bytes } };
      const dry = (await json('sweep', '--dry-run')) as Printed<Swept>;
      expect(dry.document).to.deep.include({ dryRun: true, looked: 2, swept: expected, refusal: null });
      expect(await world.names()).to.have.members([kept.blob, deleted.blob]);
      const real = (await json('sweep')) as Printed<Swept>;
      expect(real.document).to.deep.include({ dryRun: false, swept: expected });
      expect(real.outcome.exitCode).to.equal(0);
      expect(await world.names()).to.deep.equal([kept.blob]);
      const text = await runKeymill(['images', 'sweep'], env);
      expect(text.stdout).to.equal('deleted nothing\nlooked at 1 blobs\n');
    });

    it('sweep: keeps everything of a server that does not answer, with exit code 2', async () => {
      const blob = await world.put(keyIn(LOWER));
      if (kind === 'directory') await world.age(DAY_HOURS + 1);
      env = { ...env, KEYMILL_URLS_DBS: (env['KEYMILL_URLS_DBS'] ?? '').replace(/:\d+\//, ':1/') };
      const { outcome } = await json('sweep');
      expect(outcome.exitCode).to.equal(2);
      expect(outcome.stderr).to.include('their urls server does not answer');
      expect(await world.names()).to.deep.equal([blob]);
      const verified = (await json('verify')) as Printed<{ unreachable: string[]; unknown: number }>;
      expect(verified.document).to.deep.include({ unreachable: ['urls-1'], unknown: 1 });
      expect(verified.outcome.exitCode).to.equal(2);
      const list = (await json('list')) as Printed<Listed>;
      expect(list.document).to.deep.equal({ images: [], unreachable: ['urls-1'] });
      expect(list.outcome.exitCode).to.equal(2);
    });

    it('say what to set when there are no images', async () => {
      for (const command of ['sweep', 'verify']) {
        const outcome = await runKeymill(['images', command], { ...env, KEYMILL_BLOBS: '' });
        expect(outcome).to.include({ exitCode: 2, stdout: '' });
        expect(outcome.stderr).to.include('KEYMILL_BLOBS');
      }
    });
  });

function environmentOf({ stores, blobs }: ImageWorld, usersUrl: string): Record<string, string> {
  return {
    KEYMILL_ZOOKEEPER: '127.0.0.1:1',
    KEYMILL_REDIS: 'redis-1=redis://127.0.0.1:1/0',
    KEYMILL_KEYS_DBS: stores.keysDbs.map(({ name, url }) => `${name}=${url}`).join(','),
    KEYMILL_URLS_DBS: stores.urlsDbs
      .map(({ name, url, slots }) => `${name}:${formatSlots(slots)}=${url}`)
      .join(','),
    KEYMILL_USERS_DB: usersUrl,
    KEYMILL_KEY_SECRET: 'a secret of the tests',
    KEYMILL_PUBLIC_URL: 'http://short.example',
    KEYMILL_BLOBS: addressOf(blobs),
  };
}

function addressOf(blobs: BlobsConfig): string {
  if (blobs.kind === 'directory') return `file:${blobs.path}`;
  const [key, secret] = [blobs.accessKey, blobs.secret].map(encodeURIComponent);
  return `${blobs.endpoint.replace('http://', `s3://${key}:${secret}@`)}/${blobs.bucket}`;
}

async function rewrite(
  { blobs }: ImageWorld,
  blob: string,
  change: (bytes: Buffer) => Buffer,
): Promise<void> {
  if (blobs.kind !== 'directory') throw new Error('only files can be rewritten');
  const name = blob.replace(/.*\//, '');
  const entries = await readdir(blobs.path, { recursive: true, withFileTypes: true });
  for (const { parentPath } of entries.filter((entry) => entry.name === name))
    await writeFile(join(parentPath, name), change(await readFile(join(parentPath, name))));
}
