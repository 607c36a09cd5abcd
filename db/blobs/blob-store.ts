import type { Readable } from 'node:stream';

/** What a blob store keeps: bytes under a name. A name is never given other bytes. */
export interface BlobStat {
  /** Segments of letters, digits, `.`, `-`, `_`, with `/` between them. */
  readonly name: string;
  readonly bytes: number;
  readonly storedAt: Date;
}

/** Bytes to store. */
export interface BlobContent {
  readonly bytes: number;
  /** Begins at the first byte each time, so that an attempt can be repeated. */
  read(): Readable;
  /**
   * A file with exactly these bytes, which nobody needs under this name: a store on the same file system
   * takes it away instead of a copy. When it has gone, the content is read.
   */
  readonly file?: string | undefined;
  /**
   * Makes the bytes of the file durable. The owner has just written it, and knows that they are all there.
   * Absent: the store opens the file, and looks at its length and its age.
   */
  readonly syncFile?: (() => Promise<void>) | undefined;
  /** The file has gone: it is the blob now. */
  readonly onFileTaken?: (() => void) | undefined;
}

/** The first and the last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** A blob that is being read. */
export interface OpenBlob {
  /** Of the whole blob. */
  readonly bytes: number;
  /** The bytes of the range. It fails with StoreUnavailableError when they break off. */
  readonly stream: Readable;
  /**
   * Reads all of them into memory of the caller, instead of the stream, which it ends. It is cheaper: nothing
   * is allocated, and a picture is read in one call. Absent: the store cannot do it.
   *
   * When it fails, the memory must not be used for anything else: a late call may still write into it.
   * @param target as long as the range
   * @throws StoreUnavailableError
   */
  readonly readInto?: (target: Buffer) => Promise<void>;
}

/**
 * Where the bytes of images are. Every method has a deadline, and throws StoreUnavailableError when the store
 * does not answer, refuses, or is full; then it may be repeated.
 */
export interface BlobStore {
  /** For logs and metrics. */
  readonly name: string;
  /**
   * Stores all bytes or none. They are durable when it returns. The same name with the same bytes again
   * changes nothing.
   * @throws StoreUnavailableError nothing is stored, or all of it
   */
  put(name: string, content: BlobContent): Promise<void>;
  /**
   * @param range within the blob; undefined: all of it
   * @param bytes of the whole blob, if they are known: then a store need not ask for them first. When it has
   *   another length, `get` or reading it fails with DamagedBlobError
   * @returns undefined: there is no such blob
   */
  get(name: string, range?: ByteRange, bytes?: number): Promise<OpenBlob | undefined>;
  stat(name: string): Promise<BlobStat | undefined>;
  /** Also of a blob that is not there. */
  delete(name: string): Promise<void>;
  /**
   * In the order of the names, in bounded memory. Blobs that come or go meanwhile may be left out.
   * @param after only those behind the blob of this name, which need not be there any more
   */
  list(prefix: string, after?: string): AsyncIterable<BlobStat>;
  /**
   * Finds out whether blobs can be stored, and leaves none behind.
   * @throws StoreUnavailableError they cannot
   */
  checkWrites(): Promise<void>;
  close(): Promise<void>;
}
