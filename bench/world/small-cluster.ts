import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { openMysql } from '../../db/mysql/mysql.ts';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import { readClusterFile, type ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { RunDir } from '../../scripts/cluster/run-dir.ts';
import { State } from '../../scripts/cluster/state.ts';
import { findStrays } from '../../scripts/cluster/stop.ts';
import { makeClusterDir, removeBenchDir } from '../servers/bench-dir.ts';
import { bareEnvironment } from '../servers/environment.ts';
import { programOf, WORK_TREE } from '../servers/product.ts';

const UP_TIMEOUT_MS = 120_000;
const NEEDED_GIB = 2;
/** 120 MB: twice the buffer pool. */
const FILLING_ROWS = 190_000;
const FILL_TIMEOUT_MS = 120_000;

/** A cluster of `up --small`, in a folder of its own. `down --wipe` when disposed. */
export class SmallCluster implements AsyncDisposable {
  readonly dir: string;
  readonly file: ClusterFile;
  /** How long `up` took to make it ready, with data that was there already. */
  readonly readyS: number;

  private constructor(dir: string, readyS: number) {
    this.dir = dir;
    this.file = readClusterFile(new RunDir(dir).clusterFile);
    this.readyS = readyS;
  }

  /** Starts it twice: what only a first start needs, such as new databases, is then done. */
  static async start(signal: AbortSignal): Promise<SmallCluster> {
    const dir = await makeClusterDir(WORK_TREE, NEEDED_GIB);
    const options = { env: { ...bareEnvironment(), KEYMILL_RUN_DIR: dir }, timeout: UP_TIMEOUT_MS, signal };
    const call = promisify(execFile);
    try {
      await call(programOf(WORK_TREE, 'up'), ['--small', '--detach'], options);
      await call(programOf(WORK_TREE, 'down'), [], options);
      const { stdout } = await call(programOf(WORK_TREE, 'up'), ['--detach'], options);
      return new SmallCluster(dir, Number(/Ready after ([\d.]+) s/.exec(stdout)?.[1]));
    } catch (error) {
      await removeBenchDir(dir);
      throw signal.aborted
        ? error
        : new KeymillError('BENCH_FAILED', `the small cluster did not start: ${messageOf(error)}`, {
            cause: error,
          });
    }
  }

  /** Makes MariaDB read more than its buffer pool can hold. @returns how many of its pages stay free */
  async fillBufferPool(): Promise<number> {
    const db = openMysql(this.file.usersDb.url, { name: 'users', connections: 1 });
    const timeoutMs = FILL_TIMEOUT_MS;
    try {
      const made = `CREATE TABLE filling AS SELECT seq, REPEAT(MD5(seq), 20) AS text FROM seq_1_to_${FILLING_ROWS}`;
      await db.execute(made, [], { timeoutMs });
      await db.queryArrays('SELECT SUM(LENGTH(text)) FROM filling', [], { timeoutMs });
      const [free] = await db.queryArrays<[string, string]>(
        "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_free'",
        [],
        { timeoutMs },
      );
      return Number(free?.[1]);
    } finally {
      await db.close();
    }
  }

  /** Resident memory of every process of this cluster in KiB, by its command and its id. */
  memoryKib(): Record<string, number> {
    const state = State.find(new RunDir(this.dir));
    if (state === undefined) throw new KeymillError('BENCH_FAILED', 'the small cluster has no record');
    const named = new Map(state.processes().map(({ id, pid }) => [pid, id]));
    return Object.fromEntries(
      findStrays(state.token).flatMap(({ pid }) => {
        const kib = residentKibOf(pid);
        return kib === undefined ? [] : [[named.get(pid) ?? `${commandOf(pid)} ${pid}`, kib] as const];
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeBenchDir(this.dir);
  }
}

/** Undefined: it has ended meanwhile. */
function residentKibOf(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib);
  } catch {
    return undefined;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'process';
  }
}
