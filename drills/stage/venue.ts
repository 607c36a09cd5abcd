import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { takeLock, type RunLock } from '../../scripts/cluster/lock.ts';
import type { ProgressLog } from '../../scripts/cluster/progress-log.ts';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import type { Drill } from '../drill.ts';
import { DrillCluster } from './cluster.ts';
import { endOwnCluster, startOwnCluster } from './own-cluster.ts';

interface Open {
  readonly cluster: DrillCluster;
  readonly isOwn: boolean;
}

/**
 * Finds every drill a cluster to play on: the one that runs, else one of our own in `.run-drill/`, which is faultable when the drill
 * needs the wire. One of our own that a drill has worn is thrown away after it.
 */
export class Venue implements AsyncDisposable {
  readonly #running: RunDir;
  readonly #own = new RunDir(join(REPOSITORY, '.run-drill'));
  readonly #progress: ProgressLog;
  readonly #signal: AbortSignal;
  /** Held as long as `.run-drill/` is ours: another command would take our cluster down. */
  #ownership: RunLock | undefined;
  #open: Open | undefined;

  constructor(running: RunDir, progress: ProgressLog, signal: AbortSignal) {
    this.#running = running;
    this.#progress = progress;
    this.#signal = signal;
  }

  /** @throws Error when no cluster can be started */
  async for({ needs }: Drill): Promise<DrillCluster> {
    const isFaultable = needs.includes('wire');
    const isOwn = !this.#isRunning(isFaultable);
    if (this.#open !== undefined && fits(this.#open, isOwn, isFaultable)) return this.#open.cluster;
    await this.#close();
    if (isOwn) await this.#startOwn(isFaultable);
    const cluster = await DrillCluster.open(isOwn ? this.#own : this.#running, this.#progress);
    this.#open = { cluster, isOwn };
    return cluster;
  }

  /** After a drill that wore it, or broke off: if it is our own, the next drill gets a new one. */
  async discard(): Promise<void> {
    if (this.#open?.isOwn === true) await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (this.#ownership === undefined) return;
    await endOwnCluster(this.#own, this.#progress);
    this.#ownership.release();
  }

  #isRunning(mustBeFaultable: boolean): boolean {
    if (!existsSync(this.#running.clusterFile)) return false;
    return !mustBeFaultable || readClusterFile(this.#running.clusterFile).wire !== undefined;
  }

  async #startOwn(isFaultable: boolean): Promise<void> {
    const waiting = (): void => this.#progress.line('waiting for another drill to finish …');
    this.#ownership ??= await takeLock(new RunDir(join(this.#own.path, 'owner')), waiting, this.#signal);
    await startOwnCluster(this.#own, isFaultable, this.#progress, this.#signal);
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.cluster.close();
    if (open?.isOwn === true) await endOwnCluster(this.#own, this.#progress);
  }
}

function fits(open: Open, isOwn: boolean, isFaultable: boolean): boolean {
  return open.isOwn === isOwn && (!isOwn || isFaultable === (open.cluster.file.wire !== undefined));
}
