import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { BlobsConfig } from '../../runtime/config/images.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import { Places, Progress, repeat, stalled, type ProgressLimits } from './attempts.ts';
import { BLOB_STORE, BlobRefusedError, ContentLengthError, DamagedBlobError } from './blob-errors.ts';
import { checkName, checkPrefix, isBlobName } from './blob-names.ts';
import type { BlobContent, BlobStat, BlobStore, ByteRange, OpenBlob } from './blob-store.ts';
import { BlobStream, exactly } from './blob-stream.ts';
import { announcedBytes, S3Body } from './s3-body.ts';
import { fromS3, isMissingBucket, isWorthRepeating, isWrongHash, statusOf } from './s3-errors.ts';

/**
 * Each with a connection of its own. A read keeps it until its client has all bytes, so reads have places of
 * their own: clients who are slow stop no upload and no deletion.
 */
const MAX_READS = 48;
const MAX_OTHERS = 16;
const MAX_REQUESTS = MAX_READS + MAX_OTHERS;
const MAX_WAITING = 1_000;
const CONNECT_TIMEOUT_MS = 1_000;
const PAGE = 1_000;
/** What is sent to find out whether blobs are taken. Nothing is stored under this name. */
const SAMPLE = { name: 'may-anybody-write', bytes: Buffer.alloc(65_536) };
const HASH_OF_OTHERS = createHash('md5').update('others').digest('base64');
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export interface S3Timeouts extends ProgressLimits {
  /** After this time a failed attempt is not repeated. So a request that stalled is not repeated. */
  readonly repeatMs: number;
}

const TIMEOUTS: S3Timeouts = { stallMs: 5_000, maxMs: 60_000, repeatMs: 3_000 };

/**
 * Blobs as objects of a bucket on any server that speaks S3. A blob is one PUT, so it is whole or absent.
 * Nothing depends on conditional requests, versions or checksums, which not every server has.
 */
export class S3Store implements BlobStore {
  readonly name = BLOB_STORE;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #reads = new Places(MAX_READS, MAX_WAITING);
  readonly #others = new Places(MAX_OTHERS, MAX_WAITING);
  readonly #timeouts: S3Timeouts;

  /** It connects when it is used. */
  constructor(config: Extract<BlobsConfig, { kind: 's3' }>, timeouts: S3Timeouts = TIMEOUTS) {
    this.#bucket = config.bucket;
    this.#timeouts = timeouts;
    this.#client = new S3Client({
      endpoint: config.endpoint,
      // Servers that are not Amazon's accept every region.
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: config.accessKey, secretAccessKey: config.secret },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // The client cannot repeat a stream. We begin it again.
      maxAttempts: 1,
      // It would open a connection of its own for each larger PUT.
      expectContinueHeader: false,
      // It would write to the console.
      logger: SILENT,
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        requestTimeout: 0,
        // A reader who is slow is no fault of the store.
        socketTimeout: 0,
        httpAgent: { keepAlive: true, maxSockets: MAX_REQUESTS },
        httpsAgent: { keepAlive: true, maxSockets: MAX_REQUESTS },
      },
    });
  }

  async put(name: string, content: BlobContent): Promise<void> {
    checkName(name);
    await this.#call(async (progress) => {
      let failure: unknown;
      const source = content.read();
      const wrong = (found: string): Error => new ContentLengthError(content.bytes, found);
      const pieces = async function* (): AsyncGenerator<Buffer> {
        try {
          for await (const piece of exactly(source, content.bytes, wrong)) {
            progress.went();
            yield piece;
          }
          progress.went();
        } catch (error) {
          // The client waits for ever for the rest of a body that has failed.
          failure = error;
          progress.abort(error);
        }
      };
      try {
        await this.#client.send(
          new PutObjectCommand({
            Bucket: this.#bucket,
            Key: name,
            // An empty stream would be sent in chunks, which servers refuse.
            Body:
              content.bytes === 0 ? await emptied(pieces()) : Readable.from(pieces(), { objectMode: false }),
            ContentLength: content.bytes,
          }),
          { abortSignal: progress.signal },
        );
      } catch (error) {
        throw failure === undefined ? error : new ContentError(failure);
      } finally {
        source.destroy();
      }
    });
  }

  async get(name: string, range?: ByteRange, known?: number): Promise<OpenBlob | undefined> {
    checkName(name);
    if (range !== undefined && (range.first < 0 || range.first > range.last))
      throw new RangeError(`no range of bytes: ${range.first} to ${range.last}`);
    const { stallMs } = this.#timeouts;
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: name,
      ...(range && { Range: `bytes=${range.first}-${range.last}` }),
    });
    return this.#call(async (progress, release) => {
      const answer = await this.#client
        .send(command, { abortSignal: progress.signal })
        .catch((error: unknown) => {
          if (statusOf(error) === 416)
            throw new DamagedBlobError(name, 'it has fewer bytes than were asked for');
          if (statusOf(error) === 404 && !isMissingBucket(error)) return undefined;
          throw error;
        });
      if (answer === undefined) return undefined;
      const bytes = announcedBytes(name, answer, range);
      if (known !== undefined && bytes !== known) {
        (answer.Body as Readable).destroy();
        throw new DamagedBlobError(name, `it has ${bytes} instead of ${known} bytes`);
      }
      const length = range === undefined ? bytes : range.last + 1 - range.first;
      return {
        bytes,
        stream: new BlobStream(
          name,
          length,
          new S3Body({ body: answer.Body as Readable, progress, release, stallMs }),
        ),
      };
    }, true);
  }

  async stat(name: string): Promise<BlobStat | undefined> {
    checkName(name);
    const target = { Bucket: this.#bucket, Key: name };
    return this.#call(async ({ signal: abortSignal }) => {
      try {
        const answer = await this.#client.send(new HeadObjectCommand(target), { abortSignal });
        return { name, bytes: answer.ContentLength ?? 0, storedAt: answer.LastModified ?? new Date(0) };
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        // The answer to HEAD has no text that tells a missing bucket from a missing object.
        await this.#headBucket(abortSignal);
        return undefined;
      }
    });
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: name });
    await this.#call(async ({ signal: abortSignal }) => {
      await this.#client.send(command, { abortSignal }).catch((error: unknown) => {
        if (statusOf(error) !== 404 || isMissingBucket(error)) throw error;
      });
    });
  }

  async *list(prefix: string, after?: string): AsyncGenerator<BlobStat> {
    checkPrefix(prefix);
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        MaxKeys: PAGE,
        StartAfter: after,
        ContinuationToken,
      });
      const page = await this.#call(async ({ signal: abortSignal }) =>
        this.#client.send(command, { abortSignal }),
      );
      for (const { Key: name = '', Size: bytes = 0, LastModified: storedAt = new Date(0) } of page.Contents ??
        []) {
        // What somebody else has put into the bucket.
        if (isBlobName(name)) yield { name, bytes, storedAt };
      }
      ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  }

  /**
   * It sends bytes with the hash of others. A server looks first at our rights and at the quota. Then it
   * compares the hash, and stores nothing.
   */
  async checkWrites(): Promise<void> {
    const target = { Bucket: this.#bucket, Key: SAMPLE.name };
    const command = new PutObjectCommand({ ...target, Body: SAMPLE.bytes, ContentMD5: HASH_OF_OTHERS });
    await this.#call(async ({ signal: abortSignal }) => {
      try {
        await this.#client.send(command, { abortSignal });
      } catch (error) {
        if (isWrongHash(error)) return;
        throw error;
      }
      // It compares no hashes, and has stored it.
      await this.#client.send(new DeleteObjectCommand(target), { abortSignal });
    });
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  /** Makes the bucket if it is not there. @throws StoreUnavailableError also when we may not */
  async prepare(): Promise<void> {
    await this.#call(async ({ signal: abortSignal }) => {
      try {
        await this.#headBucket(abortSignal);
      } catch (error) {
        if (!isMissingBucket(error)) throw error;
        await this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket }), { abortSignal });
      }
    });
  }

  async #headBucket(abortSignal: AbortSignal): Promise<void> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }), { abortSignal });
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      throw Object.assign(new Error('no bucket'), {
        name: 'NoSuchBucket',
        $metadata: { httpStatusCode: 404 },
      });
    }
  }

  /**
   * Sends a request, and repeats it while that may help.
   * @param isRead its place and its progress go on after the answer has begun, until `release`
   * @throws StoreUnavailableError, and what the content throws
   */
  async #call<T>(send: (progress: Progress, release: () => void) => Promise<T>, isRead = false): Promise<T> {
    const { stallMs, repeatMs } = this.#timeouts;
    const release = await (isRead ? this.#reads : this.#others).take(stallMs);
    let isOpen = false;
    try {
      const result = await repeat(
        { attempts: 3, withinMs: repeatMs, isWorthRepeating: mayHelp },
        async () => {
          const progress = new Progress(this.#timeouts);
          try {
            return await send(progress, release);
          } catch (error) {
            if (progress.signal.reason instanceof DeadlineError) throw stalled(stallMs);
            throw error;
          } finally {
            progress.stop();
          }
        },
      );
      isOpen = isRead && result !== undefined;
      return result;
    } catch (error) {
      if (error instanceof ContentError) throw error.cause;
      throw fromS3(error);
    } finally {
      if (!isOpen) release();
    }
  }
}

function ignore(): void {
  // Failures are thrown as well.
}

/** The content failed, not the store. */
class ContentError extends Error {
  constructor(cause: unknown) {
    super('the content failed', { cause });
  }
}

function mayHelp(error: unknown): boolean {
  return !(error instanceof ContentError) && !(error instanceof BlobRefusedError) && isWorthRepeating(error);
}

async function emptied(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  for await (const piece of pieces) return piece;
  return Buffer.alloc(0);
}
