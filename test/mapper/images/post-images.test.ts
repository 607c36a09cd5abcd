import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ApiClient } from '../api/api-client.ts';
import { People } from '../api/people.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

describe('POST /images', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let folder = '';

  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), 'keymill-images-'));
    world = await createWorld({ keys: 100, hasUsers: true });
    people = new People(world.usersUrl);
    mapper = await world.start({ blobs: { kind: 'directory', path: folder } });
  });

  after(async function () {
    this.timeout(20_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const api = new ApiClient(() => mapper.url);

  it('answers 201 with the link of the picture', async () => {
    const cookie = await people.session(await people.person());
    const answer = await api.call('POST', '/images', {
      cookie,
      body: PNG,
      headers: { 'content-type': 'image/png' },
    });
    expect(answer.status, answer.text).to.equal(201);
    expect(answer.json()).to.include({ type: 'image/png', width: 1, height: 1, bytes: PNG.length });
  });
});
