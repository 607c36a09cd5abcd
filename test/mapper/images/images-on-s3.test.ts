import { expect } from 'chai';
import { openBlobStore, prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import type { BlobsConfig } from '../../../runtime/config/images.ts';
import { createLog } from '../../../runtime/log.ts';
import { testS3 } from '../../servers.ts';
import { until } from '../../until.ts';
import { ApiClient } from '../api/api-client.ts';
import { send } from '../client.ts';
import { People } from '../api/people.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { pngWithText, randomPng } from './pictures.ts';

const log = createLog('test', 'images', 'silent');

describe('images on S3', () => {
  let world: World;
  let people: People;
  let mapper: TestMapper;
  let blobs: BlobsConfig;

  before(async function () {
    this.timeout(90_000);
    const { server, bucket } = await testS3();
    const { endpoint, accessKey, secret } = server;
    blobs = { kind: 's3', endpoint, bucket, accessKey, secret };
    await prepareBlobStore(blobs);
    world = await createWorld({ keys: 100, hasUsers: true });
    people = new People(world.usersUrl);
    mapper = await world.start({ blobs });
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const api = new ApiClient(() => mapper.url);

  async function names(): Promise<string[]> {
    const store = await openBlobStore(blobs, { log, pollMs: 0 });
    try {
      const found: string[] = [];
      for await (const { name } of store.list('images/')) found.push(name);
      return found;
    } finally {
      await store.close();
    }
  }

  it('are posted, served without metadata, and deleted with their bytes', async () => {
    const cookie = await people.session(await people.person());
    for (const bytes of [randomPng({ width: 300, height: 300 }), pngWithText('here')]) {
      const headers = { 'content-type': 'image/png' };
      const posted = await api.call('POST', '/images', { cookie, headers, body: bytes });
      expect(posted.status, posted.text).to.equal(201);
      const key = String(posted.json()['unique_id']);
      expect((await names()).map((name) => name.split('/')[1])).to.deep.equal([key]);
      const shown = await fetch(String(posted.json()['image_url']));
      const served = Buffer.from(await shown.arrayBuffer());
      expect(served.length).to.equal(posted.json()['bytes']);
      expect(served.includes('here')).to.equal(false);
      expect((await api.call('DELETE', `/images/${key}`, { cookie })).status).to.equal(204);
      expect((await send('GET', String(posted.json()['image_url']))).status).to.equal(410);
      await until('its bytes are gone', async () => (await names()).length === 0);
    }
  });
});
