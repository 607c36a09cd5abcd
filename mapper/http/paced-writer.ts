import type { ServerResponse } from 'node:http';
import { KeymillError } from '../../runtime/errors.ts';
import { ClientPace } from './client-pace.ts';
import type { StreamPace } from './limits.ts';

/** The client has closed the connection, or it was cut. */
export class ClientGoneError extends KeymillError {
  constructor() {
    super('CLIENT_GONE', 'the client has gone');
  }
}

/** The socket has this much to send. More would not make a fast client faster. */
const CHUNK_BYTES = 64 * 1024;

/** Writes bytes as fast as the client reads them, and keeps the rest in a queue. */
export class PacedWriter {
  readonly #response: ServerResponse;
  readonly #client: ClientPace;
  readonly #gone = Promise.withResolvers<never>();
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #isWriting = false;
  /** What ended the writing. */
  #failure: Error | undefined;
  #onMoved = Promise.withResolvers<void>();

  constructor(response: ServerResponse, pace: StreamPace | undefined) {
    this.#response = response;
    this.#client = new ClientPace(pace);
    this.#gone.promise.catch(() => undefined);
    response.once('close', this.#onClose);
    if (!this.#canWrite) this.#failure = new ClientGoneError();
  }

  /** Queues bytes. */
  add(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (!this.#isWriting) void this.#write();
  }

  /** Waits until no more than so many bytes wait. @throws ClientGoneError; Problem 408 when it is too slow */
  async whenAtMost(maxBytes: number): Promise<void> {
    while (this.#failure === undefined && this.#queuedBytes > maxBytes) await this.#onMoved.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  stop(): void {
    this.#response.off('close', this.#onClose);
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      for (let bytes = this.#queue.shift(); bytes !== undefined; bytes = this.#queue.shift())
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
          await this.#writeChunk(bytes.subarray(at, at + CHUNK_BYTES));
    } catch (error) {
      this.#failure = error as Error;
      this.#moved();
    }
    this.#isWriting = false;
  }

  async #writeChunk(chunk: Buffer): Promise<void> {
    if (!this.#canWrite) throw new ClientGoneError();
    this.#response.write(chunk);
    if (this.#response.writableLength > CHUNK_BYTES)
      await this.#client.wait(Promise.race([this.#drained(), this.#gone.promise]));
    this.#client.moved(chunk.length);
    this.#queuedBytes -= chunk.length;
    this.#moved();
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => this.#response.once('drain', resolve));
  }

  #moved(): void {
    this.#onMoved.resolve();
    this.#onMoved = Promise.withResolvers();
  }

  get #canWrite(): boolean {
    // Its connection may have answered a body that is no HTTP.
    const { destroyed, writableEnded, socket } = this.#response;
    return !destroyed && !writableEnded && socket?.writable === true;
  }

  readonly #onClose = (): void => this.#gone.reject(new ClientGoneError());
}
