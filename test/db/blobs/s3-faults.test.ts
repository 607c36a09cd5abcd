import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'chai';
import { BlobRefusedError, DamagedBlobError } from '../../../db/blobs/blob-errors.ts';
import { WholeBlobs } from '../../../db/blobs/hashing.ts';
import { S3Store } from '../../../db/blobs/s3-store.ts';
import { WatchedBlobStore } from '../../../db/blobs/watched-store.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { startS3Server, testFolder, testS3 } from '../../servers.ts';
import type { S3Server } from '../../servers/s3.ts';
import { until } from '../../until.ts';
import { rejection } from '../rejection.ts';
import { startWire } from '../wire.ts';
import { contentOf, listed, namesOf, newName, readBlob } from './contents.ts';

const TIMEOUTS = { stallMs: 400, maxMs: 60_000, repeatMs: 300 };

function storeOn(
  server: S3Server,
  bucket: string,
  given: { endpoint?: string; secret?: string } = {},
  timeouts = TIMEOUTS,
): S3Store {
  const { endpoint, accessKey, secret } = { ...server, ...given };
  return new S3Store({ kind: 's3', endpoint, bucket, accessKey, secret }, timeouts);
}

describe('a blob store on S3, under faults', function () {
  this.timeout(120_000);
  const content = randomBytes(600_000);
  const expected = { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
  let server: S3Server;
  let bucket: string;
  let wire: FaultyProxy;
  /** Through the wire. */
  let store: S3Store;
  let direct: S3Store;
  let name: string;

  before(async () => {
    ({ server, bucket } = await testS3());
    wire = await startWire(server.endpoint);
    store = storeOn(server, bucket, { endpoint: `http://127.0.0.1:${wire.port}` });
    // Nothing is cut here, but a server that has just started may be slow.
    direct = storeOn(server, bucket, {}, { ...TIMEOUTS, stallMs: 20_000 });
    await direct.prepare();
  });
  after(async () => {
    await store.close();
    await direct.close();
    await wire.stop();
  });
  beforeEach(() => {
    name = newName();
  });
  afterEach(() => wire.heal());

  async function isWhole(): Promise<boolean> {
    const found = await direct.stat(name);
    const read = await readBlob(direct, name);
    expect(read?.equals(content)).to.equal(found === undefined ? undefined : true);
    expect((await listed(direct, name)).map(({ bytes }) => bytes)).to.deep.equal(
      found === undefined ? [] : [content.length],
    );
    return found !== undefined;
  }

  it('repeats a call whose connection was cut', async () => {
    await store.put(name, contentOf(content));
    wire.cut();
    expect(await store.stat(name)).to.include({ bytes: content.length });
    wire.cut();
    expect((await readBlob(store, name))?.equals(content)).to.equal(true);
  });

  it('stores a blob whose first acknowledgement was lost', async () => {
    wire.cutBeforeReplyTo((sent) => sent.includes('PUT '));
    await store.put(name, contentOf(content));
    expect(await isWhole()).to.equal(true);
  });

  it('has all of a blob or nothing when the connection is cut anywhere in a put', async () => {
    for (const bytes of [0, 1, 70_000, 300_000, 599_999]) {
      name = newName();
      let read = 0;
      const cut = {
        bytes: content.length,
        read: () =>
          contentOf(content)
            .read()
            .on('data', (piece: Buffer) => {
              read += piece.length;
              if (read > bytes) wire.cut();
            })
            .pause(),
      };
      const outcome = await store.put(name, cut).then(
        () => 'stored',
        (error: unknown) => error,
      );
      const isThere = await isWhole();
      if (outcome === 'stored') expect(isThere).to.equal(true);
      else expect(outcome).to.be.instanceOf(StoreUnavailableError);
    }
  });

  it('has nothing of a blob when the process is killed anywhere in a put', async () => {
    const script = join(import.meta.dirname, 'fixtures/put-to-s3-and-die.ts');
    const env = { ...process.env, NODE_COMPILE_CACHE: join(testFolder(), 'compile-cache') };
    const pieces = Math.ceil(300_000 / 65_536);
    for (let piece = 1; piece <= pieces + 2; piece++) {
      name = newName();
      const args = [script, server.blobs(bucket), name, '300000', String(piece)];
      const { signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
      const found = await direct.stat(name);
      const sizes = (await listed(direct, name)).map(({ bytes }) => bytes);
      expect(signal, stderr).to.equal(piece <= pieces + 1 ? 'SIGKILL' : null);
      expect(found?.bytes).to.equal(signal === null ? 300_000 : undefined);
      expect(sizes).to.deep.equal(signal === null ? [300_000] : []);
    }
  });

  for (const bytes of [0, 100, 100_000, 500_000]) {
    it(`fails to read a blob whose answer breaks off after ${bytes} bytes`, async () => {
      await direct.put(name, contentOf(content));
      const before = wire.accepted;
      // A broken answer is asked for again only before its first byte was given.
      wire.cutAfter(bytes);
      const outcome = await readBlob(store, name).then(
        (read) => read?.equals(content),
        (error: unknown) => error,
      );
      if (outcome !== true) expect(outcome).to.be.instanceOf(StoreUnavailableError);
      expect(outcome === true).to.equal(bytes <= 100);
      expect(wire.accepted - before).to.be.within(0, 3);
    });
  }

  it('gives up on an answer that stops, and not on a reader who is slow', async () => {
    const large = randomBytes(20 * 2 ** 20);
    await direct.put(name, contentOf(large));
    const blob = await store.get(name);
    await once(blob?.stream ?? process.stdin, 'readable');
    await new Promise((resolve) => setTimeout(resolve, 3 * TIMEOUTS.stallMs));
    let read = 0;
    const reading = async (): Promise<void> => {
      for await (const piece of blob?.stream ?? []) {
        read += (piece as Buffer).length;
        if (read > 8 * 2 ** 20) wire.silence();
      }
    };
    const error = await rejection(reading());
    expect(error).to.be.instanceOf(StoreUnavailableError);
    expect(error.message).to.match(/it did nothing for 400 ms/);
    expect(read).to.be.within(8 * 2 ** 20, 19 * 2 ** 20);
  });

  it('waits for a reader who takes longer than a request may, and never counts him as an outage', async () => {
    const large = randomBytes(20 * 2 ** 20);
    await direct.put(name, contentOf(large));
    const endpoint = `http://127.0.0.1:${wire.port}`;
    // The server reads 20 MB from its disk, which other tests use too.
    const stallMs = 900;
    const hasty = storeOn(server, bucket, { endpoint }, { ...TIMEOUTS, stallMs, maxMs: 3_000 });
    const watched = new WatchedBlobStore(hasty, { log: QUIET_LOG, pollMs: 0 });
    const slowly = async (atPause: (count: number) => void): Promise<Buffer> => {
      const pieces: Buffer[] = [];
      let paused = 0;
      for await (const piece of (await watched.get(name))?.stream ?? []) {
        pieces.push(piece as Buffer);
        if (pieces.length % 20 !== 0 || paused === 3) continue;
        paused += 1;
        await new Promise((resolve) => setTimeout(resolve, stallMs + 200));
        atPause(paused);
      }
      return Buffer.concat(pieces);
    };
    try {
      expect((await slowly(() => undefined)).equals(large)).to.equal(true);
      for (let reader = 0; reader < 3; reader++) {
        const error = await rejection(slowly((paused) => void (paused === 2 && wire.cut())));
        expect(error).to.be.instanceOf(BlobRefusedError);
      }
      expect(watched.isUp).to.equal(true);
      expect(await watched.stat(name)).to.include({ bytes: large.length });
    } finally {
      await watched.close();
    }
  });

  it('stores, looks and deletes while readers who are slow have all connections for reads', async () => {
    const large = randomBytes(8 * 2 ** 20);
    await direct.put(name, contentOf(large));
    const own = storeOn(server, bucket, {}, { ...TIMEOUTS, stallMs: 3_000 });
    const readers = await Promise.all(Array.from({ length: 48 }, async () => own.get(name)));
    try {
      expect(String(await rejection(own.get(name)))).to.match(/no connection was free/);
      const other = newName();
      await own.put(other, contentOf(content));
      expect(await own.stat(other)).to.include({ bytes: content.length });
      await own.delete(other);
      expect(await namesOf(own, other)).to.deep.equal([]);
    } finally {
      for (const reader of readers) reader?.stream.destroy();
      await own.close();
    }
  });

  it('is read although it is slow, as long as it goes on', async () => {
    await direct.put(name, contentOf(content));
    wire.delay(60);
    const beganMs = performance.now();
    expect((await readBlob(store, name))?.equals(content)).to.equal(true);
    expect(performance.now() - beganMs).to.be.greaterThan(TIMEOUTS.stallMs);
  });

  it('answers in time when a server accepts and never answers, or is silent', async () => {
    await direct.put(name, contentOf(content));
    for (const fault of ['acceptWithoutAnswering', 'silence'] as const) {
      wire.cut();
      wire[fault]();
      for (const call of [
        async () => store.get(name),
        async () => store.stat(name),
        async () => store.put(newName(), contentOf(content)),
        // It may still happen, so of no blob that is needed.
        async () => store.delete(newName()),
        async () => namesOf(store, ''),
      ]) {
        const beganMs = performance.now();
        expect(await rejection(call())).to.be.instanceOf(StoreUnavailableError);
        expect(performance.now() - beganMs).to.be.below(2_500);
      }
      wire.heal();
    }
    expect(await isWhole()).to.equal(true);
  });

  it('detects a store that sends fewer bytes than it has, or more, or other ones', async () => {
    await direct.put(name, contentOf(content));
    const whole = new WholeBlobs(store);
    for (const lie of ['599999', '600001', '000000', '6e5   ']) {
      wire.cut();
      wire.mangleAnswers((piece) => replace(piece, /(content-length: )600000/i, `$1${lie}`));
      const error = await rejection(whole.read(name, expected));
      expect(error, lie).to.be.instanceOf(StoreUnavailableError);
      wire.heal();
    }
    wire.cut();
    wire.mangleAnswers((piece) => {
      if (!piece.includes('HTTP/1.1')) piece[0] = (piece[0] ?? 0) ^ 1;
      return piece;
    });
    expect(await rejection(whole.read(name, expected))).to.be.instanceOf(DamagedBlobError);
    wire.heal();
    wire.cut();
    expect((await whole.read(name, expected))?.equals(content)).to.equal(true);
  });

  it('detects a store that answers a range with other bytes than the asked ones', async () => {
    await direct.put(name, contentOf(content));
    for (const [said, lie] of [
      [/(content-range: bytes )100-199/i, '$1101-200'],
      [/(content-range: bytes )100-199/i, '$1100-198'],
      [/content-range: bytes/i, 'content-other: bytes'],
    ] as const) {
      wire.mangleAnswers((piece) => replace(piece, said, lie));
      const error = await rejection(readBlob(store, name, { first: 100, last: 199 }));
      expect(error, lie).to.be.instanceOf(DamagedBlobError);
      wire.heal();
    }
    const range = await readBlob(store, name, { first: 100, last: 199 });
    expect(range?.equals(content.subarray(100, 200))).to.equal(true);
  });

  it('keeps to 64 connections, and lets more readers wait', async () => {
    await direct.put(name, contentOf(content));
    await using own = await startWire(server.endpoint);
    const endpoint = `http://127.0.0.1:${own.port}`;
    const patient = storeOn(server, bucket, { endpoint }, { ...TIMEOUTS, stallMs: 20_000, repeatMs: 0 });
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, own.open)), 1);
    try {
      const read = await Promise.all(
        Array.from({ length: 150 }, async () => (await readBlob(patient, name))?.equals(content)),
      );
      expect(new Set(read)).to.deep.equal(new Set([true]));
    } finally {
      clearInterval(watch);
      await patient.close();
    }
    expect(most).to.be.within(10, 64);
  });

  it('says that its bucket is gone, or that we may not use it, and takes neither for an absent blob', async () => {
    const secret = 'wrong-secret-of-somebody';
    for (const [broken, reason] of [
      [
        storeOn(server, `${bucket}-gone`),
        /its bucket is not there; keymill prepare makes it \(404 NoSuchBucket\)/,
      ],
      [storeOn(server, bucket, { secret }), /our secret is wrong|we have no right|\(403/],
    ] as const) {
      for (const call of [
        async () => broken.get(name),
        async () => broken.stat(name),
        async () => broken.put(name, contentOf(content)),
        async () => broken.delete(name),
        async () => namesOf(broken, ''),
      ]) {
        const error = await rejection(call());
        expect(error).to.be.instanceOf(BlobRefusedError);
        expect(error.message).to.match(reason);
        const told = `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
        expect(told).not.to.match(new RegExp(`${secret}|${server.secret}|${server.accessKey}`));
      }
      await broken.close();
    }
  });

  it('makes its bucket once, and leaves one that is there as it is', async () => {
    const other = storeOn(server, `${bucket}-new`);
    await Promise.all([other.prepare(), other.prepare()]);
    await other.put(name, contentOf(content));
    await other.prepare();
    expect(await other.stat(name)).to.include({ bytes: content.length });
    await other.close();
  });

  describe('on a server of its own', () => {
    let own: S3Server;
    let store: S3Store;

    before(async () => {
      own = await startS3Server();
      store = storeOn(own, 'own');
      await store.prepare();
    });
    after(async () => {
      await store.close();
      await own.stop();
    });

    it('refuses blobs when it is full, has nothing of them, and still reads and deletes', async () => {
      await store.put(name, contentOf(content));
      await own.limitBuckets(1_000_000);
      const refused = await until(
        'the limit to hold',
        async () => {
          const another = newName();
          const error = await store.put(another, contentOf(content)).then(
            () => undefined,
            (failure: unknown) => failure,
          );
          if (error !== undefined) expect(await store.stat(another)).to.equal(undefined);
          return error;
        },
        { timeoutMs: 60_000 },
      );
      expect(refused).to.be.instanceOf(BlobRefusedError);
      expect(String(refused)).to.match(/its quota is used up \(403 QuotaExceeded\)/);
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
      await store.delete(name);
      expect(await store.stat(name)).to.equal(undefined);
      await own.limitBuckets(undefined);
      await until('the limit to end', async () => store.put(newName(), contentOf(content)).then(() => true), {
        timeoutMs: 60_000,
      });
    });

    it('is away while the server is killed, and has every acknowledged blob afterwards', async () => {
      await store.put(name, contentOf(content));
      await own.kill();
      for (const call of [
        async () => store.get(name),
        async () => store.stat(name),
        async () => store.put(newName(), contentOf(content)),
        async () => store.delete(name),
        async () => namesOf(store, ''),
      ]) {
        const beganMs = performance.now();
        const error = await rejection(call());
        expect(error).to.be.instanceOf(StoreUnavailableError).and.not.instanceOf(BlobRefusedError);
        expect(error.message).to.match(/no answer \(ECONN/);
        expect(performance.now() - beganMs).to.be.below(1_500);
      }
      await own.restart();
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
    });
  });
});

/** Replaces text in the head of an answer by as many other characters. */
function replace(piece: Buffer, what: RegExp, by: string): Buffer {
  return Buffer.from(piece.toString('latin1').replace(what, by), 'latin1');
}
