import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import { until } from '../../until.ts';
import type { Answer } from '../client.ts';
import { ApiClient, type CallOptions } from '../api/api-client.ts';
import { People } from '../api/people.ts';
import { createWorld, type MapperOverrides, type TestMapper, type World } from '../world.ts';
import { randomPng } from './pictures.ts';

/** Everything but the client exists from the first `before` of the tests on. */
export interface ImagesFixture {
  readonly world: World;
  readonly mapper: TestMapper;
  readonly people: People;
  /** The directory of the blobs. */
  readonly folder: string;
  /** Calls the mapper, and checks each answer against the document. */
  readonly api: ApiClient;
  /** The settings of mappers with the same store. */
  readonly settings: MapperOverrides;
  /** Posts bytes. */
  readonly post: (options: PostOptions, api?: ApiClient) => Promise<Answer>;
  /** Posts a picture of the session's user. @returns its key and token */
  readonly makeImage: (cookie: string, bytes?: Buffer) => Promise<{ key: string; token: string }>;
  /** The names of all blobs. */
  readonly blobs: () => Promise<string[]>;
  /** The files of uploads that are under way, and that with which the mapper looks whether it may write. */
  readonly spooled: () => Promise<string[]>;
  readonly untilNothingSpooled: () => Promise<void>;
}

export interface PostOptions extends Omit<CallOptions, 'body'> {
  readonly bytes: Buffer;
  readonly type?: string;
  /** Parameters. */
  readonly query?: Readonly<Record<string, string>> | string;
}

export interface UseImagesOptions {
  /** In each pool. */
  readonly keys?: number;
  readonly overrides?: MapperOverrides;
}

/** Stores, a directory for blobs, and a mapper on them. */
export async function openImages({ keys = 400, overrides = {} }: UseImagesOptions = {}): Promise<
  ImagesFixture & AsyncDisposable
> {
  const folder = await mkdtemp(join(tmpdir(), 'keymill-images-'));
  await prepareBlobStore({ kind: 'directory', path: folder });
  const world = await createWorld({ keys, hasUsers: true });
  const people = new People(world.usersUrl);
  const settings: MapperOverrides = { blobs: { kind: 'directory', path: folder }, ...overrides };
  const mapper = await world.start(settings);
  const api = new ApiClient(() => mapper.url);
  const post: ImagesFixture['post'] = async (
    { bytes, type = 'image/png', query = {}, headers, ...options },
    client = api,
  ) => {
    const search = typeof query === 'string' ? query : new URLSearchParams(query).toString();
    return client.call('POST', `/images${search === '' ? '' : `?${search}`}`, {
      ...options,
      body: bytes,
      headers: { 'content-type': type, ...headers },
    });
  };
  const spooled = async (): Promise<string[]> => filesIn(join(folder, '.spool'));
  return {
    world,
    mapper,
    people,
    folder,
    settings,
    api,
    post,
    makeImage: async (cookie, bytes = randomPng()) => {
      const answer = await post({ bytes, cookie });
      expect(answer.status, answer.text).to.equal(201);
      const { unique_id: key, delete_token: token } = answer.json();
      return { key: String(key), token: String(token) };
    },
    blobs: async () => filesIn(join(folder, 'images')),
    spooled,
    untilNothingSpooled: async () => {
      await until('nothing to be spooled', async () => (await spooled()).length === 0);
    },
    [Symbol.asyncDispose]: async () => {
      await people[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
      // A look at the store may still be under way when the disk is slow.
      await rm(folder, { recursive: true, maxRetries: 10 });
    },
  };
}

/** {@link openImages} for the tests of one `describe`. */
export function useImages(options: UseImagesOptions = {}): ImagesFixture {
  let opened: ImagesFixture & AsyncDisposable;

  before(async function () {
    this.timeout(60_000);
    opened = await openImages(options);
  });

  after(async function () {
    this.timeout(60_000);
    await opened[Symbol.asyncDispose]();
  });

  return {
    get world() {
      return opened.world;
    },
    get mapper() {
      return opened.mapper;
    },
    get people() {
      return opened.people;
    },
    get folder() {
      return opened.folder;
    },
    get settings() {
      return opened.settings;
    },
    api: new ApiClient(() => opened.mapper.url),
    post: async (...args) => opened.post(...args),
    makeImage: async (...args) => opened.makeImage(...args),
    blobs: async () => opened.blobs(),
    spooled: async () => opened.spooled(),
    untilNothingSpooled: async () => opened.untilNothingSpooled(),
  };
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** A body of `multipart/form-data`. */
export class Form {
  readonly #boundary = `----${randomBytes(12).toString('hex')}`;
  readonly #parts: Buffer[] = [];

  get type(): string {
    return `multipart/form-data; boundary=${this.#boundary}`;
  }

  field(name: string, value: string): this {
    return this.part(`form-data; name="${name}"`, {}, Buffer.from(value));
  }

  file(name: string, bytes: Buffer, { filename = 'picture', type = 'image/png' } = {}): this {
    const head = `form-data; name="${name}"; filename="${filename}"`;
    return this.part(head, { 'Content-Type': type }, bytes);
  }

  part(disposition: string, headers: Readonly<Record<string, string>>, body: Buffer): this {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `--${this.#boundary}\r\nContent-Disposition: ${disposition}\r\n${lines.join('')}\r\n`;
    this.#parts.push(Buffer.from(head), body, Buffer.from('\r\n'));
    return this;
  }

  /** @param isWhole false: it ends before its closing line */
  bytes(isWhole = true): Buffer {
    return Buffer.concat([...this.#parts, Buffer.from(isWhole ? `--${this.#boundary}--\r\n` : '')]);
  }
}
