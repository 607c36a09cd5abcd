import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { RowDataPacket } from 'mysql2/promise';
import { SPOOL } from '../../../db/blobs/directory-layout.ts';
import { prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import { POOL_KEY } from '../../../db/redis/redis-keys.ts';
import { People } from '../api/people.ts';
import { expectProblem, send, shorten, type Answer } from '../client.ts';
import { until } from '../../until.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';

const KEYS = 400;
const FOLLOW_EVERY_MS = 20;
/** Far more than a redirect takes while the same process takes pictures and the test makes them. */
const LATE_MS = 2_000;
const MIB = 2 ** 20;
/** What attacks may add to the memory of the process, which is also that of the test. */
const MAX_GROWTH_BYTES = 300 * MIB;

export interface Post {
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: that of the first owner. */
  readonly key?: string;
}

/**
 * A mapper that takes images, with a store in a folder. While it is attacked, a link is followed again and
 * again.
 */
export class AttackedMapper implements AsyncDisposable {
  readonly world: World;
  readonly folder: string;
  readonly mapper: TestMapper;
  readonly people: People;
  /** An API key. */
  readonly key: string;
  readonly #stopping = new AbortController();
  readonly #following: Promise<void>;
  readonly #memoryBytes = process.memoryUsage().rss;
  readonly #late: string[] = [];
  #followed = 0;
  #taken = 0;

  static async start(): Promise<AttackedMapper> {
    const folder = await mkdtemp(join(tmpdir(), 'keymill-attack-'));
    const blobs = { kind: 'directory', path: folder } as const;
    await prepareBlobStore(blobs);
    const world = await createWorld({ keys: KEYS, hasUsers: true });
    const people = new People(world.usersUrl);
    const mapper = await world.start({ blobs });
    const { key } = await people.key(await people.person(), ['links:create', 'links:write']);
    const link = await shorten(mapper.url, { long_url: 'https://example.com/untouched' });
    return new AttackedMapper({ world, folder, mapper, people, key }, String(link.json()['unique_id']));
  }

  private constructor(
    parts: Pick<AttackedMapper, 'world' | 'folder' | 'mapper' | 'people' | 'key'>,
    link: string,
  ) {
    ({
      world: this.world,
      folder: this.folder,
      mapper: this.mapper,
      people: this.people,
      key: this.key,
    } = parts);
    this.#following = this.#follow(link);
  }

  async post({ body, headers = {}, key = this.key }: Post): Promise<Answer> {
    const answer = await send('POST', `${this.mapper.url}/images`, {
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'image/png',
        ...(body !== undefined && { 'content-length': String(body.length) }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    if (answer.status === 201) this.#taken += 1;
    return answer;
  }

  /** Posts a picture that must be taken. @returns what was answered, and what is served */
  async postGood(body: Buffer, type = 'application/octet-stream'): Promise<Served> {
    const answer = await this.post({ body, headers: { 'content-type': type } });
    expect(answer.status, answer.text).to.equal(201);
    const image = answer.json();
    const served = await fetch(`${this.mapper.url}/images/${String(image['unique_id'])}`);
    expect(served.status).to.equal(200);
    expect(served.headers.get('x-content-type-options')).to.equal('nosniff');
    expect(served.headers.get('content-security-policy')).to.include('sandbox');
    expect(served.headers.get('content-type')).to.equal(image['type']);
    return { image, bytes: Buffer.from(await served.arrayBuffer()) };
  }

  /** Posts what must be refused with a reason. */
  async refuse(status: number, kind: string, post: Post): Promise<Answer> {
    const answer = await this.post(post);
    expectProblem(answer, status);
    const { type, detail } = answer.json();
    expect(type, answer.text).to.equal(`urn:keymill:problem:${kind}`);
    expect(String(detail).length, 'a reason').to.be.above(15);
    return answer;
  }

  /** A bare connection, on which the head of a POST has been sent. */
  connection(headers: Readonly<Record<string, string>>, key = this.key): Socket {
    const { hostname, port } = new URL(this.mapper.url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.on('error', () => undefined);
    const lines = Object.entries({ host: hostname, authorization: `Bearer ${key}`, ...headers });
    socket.write(
      `POST /images HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    return socket;
  }

  /** Counts an image that was taken on a bare connection. */
  taken(): void {
    this.#taken += 1;
  }

  async newKey(): Promise<string> {
    return (await this.people.key(await this.people.person(), ['links:create'])).key;
  }

  /** Files of the store that hold pictures, in any folder. */
  async blobs(): Promise<string[]> {
    const entries = await readdir(this.folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.parentPath.startsWith(join(this.folder, 'images')))
      .map(({ parentPath, name }) => join(parentPath, name));
  }

  /** Files of uploads that are under way. */
  async spooled(): Promise<string[]> {
    const folder = join(this.folder, SPOOL);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  /** Only what was taken is stored, links were served all the while, and memory is bounded. */
  async expectUnharmed(): Promise<void> {
    expect(await this.blobs()).to.have.length(this.#taken);
    expect(this.#late).to.deep.equal([]);
    const followed = this.#followed;
    await until('the link to be followed again', () => this.#followed > followed + 1);
    expect(process.memoryUsage().rss - this.#memoryBytes).to.be.below(MAX_GROWTH_BYTES);
    expect((await shorten(this.mapper.url, { long_url: 'https://example.com/' })).status).to.equal(201);
  }

  /** Every key that was drawn is bound, or back in its pool. */
  async expectNoKeyLeaked(): Promise<void> {
    await this.mapper.stop();
    const pools = await Promise.all(this.world.redis.map(async ({ client }) => client.llen(POOL_KEY)));
    const rows = await Promise.all(
      this.world.urls.map(async ({ sql }) => {
        const [[row]] = await sql.query<RowDataPacket[]>('SELECT COUNT(*) AS count FROM urls');
        return Number(row?.['count']);
      }),
    );
    const bound = rows.reduce((sum, count) => sum + count, 0);
    const free = pools.reduce((sum, length) => sum + length, 0);
    expect({ free, bound }).to.deep.equal({ free: this.world.redis.length * KEYS - bound, bound });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    await this.people[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
    // A look at the store may still be under way when the disk is slow.
    await rm(this.folder, { recursive: true, maxRetries: 10 });
  }

  async #follow(link: string): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const beganMs = performance.now();
      const answer = await send('GET', `${this.mapper.url}/${link}`).catch((error: unknown) => String(error));
      const tookMs = Math.round(performance.now() - beganMs);
      const status = typeof answer === 'string' ? answer : answer.status;
      if (!signal.aborted && (status !== 302 || tookMs > LATE_MS))
        this.#late.push(`${status} after ${tookMs} ms`);
      this.#followed += 1;
      await delay(FOLLOW_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

export interface Served {
  readonly image: Record<string, unknown>;
  readonly bytes: Buffer;
}

export interface Part {
  readonly name?: string | undefined;
  readonly filename?: string;
  readonly type?: string;
  readonly value: string | Buffer;
}

/** A form and its content type. */
export function formOf(parts: readonly Part[]): { body: Buffer; headers: Record<string, string> } {
  const boundary = `----${randomBytes(12).toString('hex')}`;
  const pieces = parts.flatMap(({ name, filename, type, value }) => [
    `--${boundary}\r\nContent-Disposition: form-data` +
      (name === undefined ? '' : `; name="${name}"`) +
      (filename === undefined ? '' : `; filename="${filename}"`) +
      `\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
    value,
    '\r\n',
  ]);
  return {
    body: Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece))),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  };
}

/** All that comes on a connection until it closes, or until it contains this. */
export async function received(socket: Socket, untilText?: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    text += piece;
    if (untilText !== undefined && text.includes(untilText)) resolve(text);
  });
  socket.on('close', () => resolve(text));
  return promise;
}
