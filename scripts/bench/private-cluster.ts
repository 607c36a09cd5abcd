import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { makeBenchDir, takeDown } from './bench-dir.ts';
import { bareEnvironment } from './private-servers.ts';

const UP_TIMEOUT_MS = 180_000;
/** Three MariaDB servers with a redo log of 1 GB each, and ZooKeeper and Redis beside them. */
const NEEDED_GIB = 6;
const SCRIPTS = join(import.meta.dirname, '..');
const ClusterFile = z.object({ mappers: z.array(z.object({ url: z.string() })).min(1) });

/** A cluster as `up` makes it, with one mapper, in a folder of its own: benches write links, and those belong to nobody. */
export interface PrivateCluster extends AsyncDisposable {
  readonly mapperUrl: string;
}

/** Starts it with this repository's own `up`; `down --wipe` when disposed. */
export async function startPrivateCluster(signal: AbortSignal): Promise<PrivateCluster> {
  const runDir = await makeBenchDir(NEEDED_GIB);
  const env = { ...bareEnvironment(), KEYMILL_RUN_DIR: runDir };
  const wipe = async (): Promise<void> => {
    await takeDown(runDir);
    await rm(runDir, { recursive: true, force: true });
  };
  try {
    const args = ['--detach', '--producers', '1', '--mappers', '1', '--zookeepers', '1', '--keys-dbs', '2'];
    await promisify(execFile)(join(SCRIPTS, 'up'), args, { env, timeout: UP_TIMEOUT_MS, signal });
    const file = ClusterFile.parse(JSON.parse(await readFile(join(runDir, 'cluster.json'), 'utf8')));
    return { mapperUrl: file.mappers[0]?.url ?? '', [Symbol.asyncDispose]: wipe };
  } catch (error) {
    await wipe();
    throw error;
  }
}
