import { join } from 'node:path';
import type { RunningServer } from '../../scripts/servers/process.ts';
import { startRadosgw } from '../../scripts/servers/radosgw.ts';
import { LocalServer } from './local.ts';
import type { Server } from './services.ts';

/** A real S3 server, always a local process. Killing it kills its gateway; the objects outlive that. */
export interface S3Server extends Server {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secret: string;
  /** The value of KEYMILL_BLOBS for a bucket, which need not exist. */
  blobs(bucket: string): string;
  /** Lets no bucket grow beyond `bytes`; undefined: as far as it can. It is obeyed after a second or two. */
  limitBuckets(bytes: number | undefined): Promise<void>;
  /** Whether its keys may write and delete. Of all tests that share it. */
  allowWrites(areAllowed: boolean): Promise<void>;
}

/** @param cuttable makes `disconnect` possible: a proxy stands in front of it */
export async function startS3(folder: string, id: string, cuttable: boolean): Promise<S3Server> {
  const dir = join(folder, id);
  const logFile = `${dir}.log`;
  const radosgw = await startRadosgw({ id, dir, logFile });
  const { gateway: running, accessKey, secret } = radosgw;
  const start = async (): Promise<RunningServer> => radosgw.restartGateway();
  const server = await LocalServer.start({ id, dir, logFile, running, start, cuttable });
  const stopGateway = server.stop.bind(server);
  const restartGateway = server.restart.bind(server);
  const address = `127.0.0.1:${server.port}`;
  return Object.assign(server, {
    endpoint: `http://${address}`,
    accessKey,
    secret,
    blobs: (bucket: string) => `s3://${accessKey}:${secret}@${address}/${bucket}`,
    limitBuckets: async (bytes: number | undefined) => radosgw.limitBuckets(bytes),
    allowWrites: async (areAllowed: boolean) => radosgw.allowWrites(areAllowed),
    restart: async ({ wiped = false } = {}) => {
      if (wiped) throw new Error('an S3 server cannot be restarted without its objects: use another bucket');
      await restartGateway();
    },
    stop: async () => {
      await stopGateway();
      await radosgw.stop();
    },
  });
}
