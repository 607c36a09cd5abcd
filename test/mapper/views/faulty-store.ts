import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { BlobStore, ByteRange, OpenBlob } from '../../../db/blobs/blob-store.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';

/** What a store does wrong with the blobs that it gives. */
export interface Faults {
  /** It does not answer at all. */
  isDown?: boolean;
  /** How many bytes it claims that each blob has, more or fewer than it has. */
  claims?: number;
  /** After so many bytes its stream ends, as if that were all. */
  endsAfter?: number;
  /** After so many bytes its stream fails. */
  breaksAfter?: number;
  /** After so many bytes nothing more comes. */
  hangsAfter?: number;
  /** How long it thinks before it answers. */
  delayMs?: number;
}

const CHUNK_BYTES = 256 * 1_024;

/** Blobs in memory, with faults on demand. It counts what it is asked. */
export class FaultyStore implements BlobStore {
  readonly name = 'faulty';
  readonly blobs = new Map<string, Buffer>();
  faults: Faults = {};
  gets = 0;
  puts = 0;
  /** Streams that are open now, and the most that were open at a time. */
  open = 0;
  mostOpen = 0;
  bytesRead = 0;

  async put(name: string, content: { read(): Readable }): Promise<void> {
    this.#refuseIfDown();
    this.puts += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of content.read() as AsyncIterable<Buffer>) chunks.push(chunk);
    this.blobs.set(name, Buffer.concat(chunks));
  }

  async get(name: string, range?: ByteRange): Promise<OpenBlob | undefined> {
    this.#refuseIfDown();
    this.gets += 1;
    if (this.faults.delayMs !== undefined) await delay(this.faults.delayMs);
    const blob = this.blobs.get(name);
    if (blob === undefined) return undefined;
    const bytes = range === undefined ? blob : blob.subarray(range.first, range.last + 1);
    return { bytes: blob.length + (this.faults.claims ?? 0), stream: this.#stream(bytes) };
  }

  async stat(name: string): Promise<{ name: string; bytes: number; storedAt: Date } | undefined> {
    const blob = this.blobs.get(name);
    return blob && { name, bytes: blob.length, storedAt: new Date() };
  }

  async delete(name: string): Promise<void> {
    this.blobs.delete(name);
  }

  async *list(prefix: string): AsyncGenerator<{ name: string; bytes: number; storedAt: Date }> {
    for (const [name, { length }] of this.blobs)
      if (name.startsWith(prefix)) yield { name, bytes: length, storedAt: new Date() };
  }

  async checkWrites(): Promise<void> {
    this.#refuseIfDown();
  }

  async close(): Promise<void> {
    this.blobs.clear();
  }

  #stream(bytes: Buffer): Readable {
    const { endsAfter, breaksAfter, hangsAfter } = this.faults;
    let at = 0;
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    const most = Math.min(bytes.length, endsAfter ?? breaksAfter ?? hangsAfter ?? bytes.length);
    const stream = new Readable({
      highWaterMark: CHUNK_BYTES,
      read: () => {
        if (at < most) {
          const chunk = bytes.subarray(at, Math.min(at + CHUNK_BYTES, most));
          at += chunk.length;
          this.bytesRead += chunk.length;
          stream.push(chunk);
        } else if (breaksAfter !== undefined) stream.destroy(new Error('the connection was reset'));
        else if (hangsAfter === undefined) stream.push(null);
      },
    });
    stream.once('close', () => (this.open -= 1));
    return stream;
  }

  #refuseIfDown(): void {
    if (this.faults.isDown === true) throw new StoreUnavailableError(this.name, 'it is down');
  }
}
