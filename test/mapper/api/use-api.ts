import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { MapperConfig } from '../../../runtime/config/config.ts';
import { prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import type { Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { ApiClient } from './api-client.ts';
import { PASSWORD, People } from './people.ts';

/** Where links of tests go. */
export const TARGET = 'https://example.com/first';

/** Everything but the client exists from the first `before` of the tests on. */
export interface ApiFixture {
  readonly world: World;
  readonly mapper: TestMapper;
  readonly people: People;
  /** Calls the mapper, and checks each answer against the document. */
  readonly api: ApiClient;
  /** Where images are, with `hasImages`. */
  readonly blobs: MapperConfig['blobs'];
  /** `POST /login`. */
  readonly signIn: (email: string, password?: string) => Promise<Answer>;
  /** Makes a link of the session's user. @returns its key */
  readonly makeLink: (cookie: string, fields?: object) => Promise<string>;
}

/**
 * Stores with a users database, a mapper on them, its people and a client of its API, for the tests of one
 * `describe`: opened before them, closed after them.
 * @param keys how many keys each pool has; `hasImages`: with a directory for them
 */
export function useApi({ keys = 100, hasImages = false } = {}): ApiFixture {
  let world: World;
  let folder: string | undefined;
  let mapper: TestMapper;
  let people: People;

  const blobs = (): MapperConfig['blobs'] =>
    folder === undefined ? undefined : { kind: 'directory', path: folder };

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys, hasUsers: true });
    if (hasImages) {
      folder = await mkdtemp(join(tmpdir(), 'keymill-images-'));
      await prepareBlobStore({ kind: 'directory', path: folder });
    }
    mapper = await world.start({ blobs: blobs() });
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const api = new ApiClient(() => mapper.url);
  return {
    get world() {
      return world;
    },
    get mapper() {
      return mapper;
    },
    get people() {
      return people;
    },
    get blobs() {
      return blobs();
    },
    api,
    makeLink: async (cookie, fields = {}) => {
      const answer = await api.call('POST', '/urls', { cookie, body: { long_url: TARGET, ...fields } });
      expect(answer.status, answer.text).to.equal(201);
      return String(answer.json()['unique_id']);
    },
    signIn: async (email, password = PASSWORD) => api.call('POST', '/login', { body: { email, password } }),
  };
}
