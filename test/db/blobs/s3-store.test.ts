import { S3Store } from '../../../db/blobs/s3-store.ts';
import { testS3 } from '../../servers.ts';
import { describeBlobStore } from './blob-store.contract.ts';

describe('a blob store on S3', function () {
  this.timeout(60_000);

  describeBlobStore(async () => {
    const { server, bucket } = await testS3();
    const { endpoint, accessKey, secret } = server;
    const store = new S3Store({ kind: 's3', endpoint, bucket, accessKey, secret });
    await store.prepare();
    return store;
  });
});
