import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { takeLock, type RunLock } from '../../scripts/cluster/lock.ts';
import type { ProgressLog } from '../../scripts/cluster/progress-log.ts';
import { REPOSITORY, RunDir } from '../../scripts/cluster/run-dir.ts';
import { DrillCluster } from './drill-cluster.ts';
import { endPrivateCluster, startPrivateCluster, type ClusterKind } from './private-cluster.ts';

interface OpenCluster {
  readonly cluster: DrillCluster;
  readonly isPrivate: boolean;
  readonly kind: ClusterKind;
}

/**
 * Provides every drill with a cluster: the running one, or else a private one in `.run-drill/`. A drill that
 * needs the wire gets a faultable cluster, and one that begins small never gets the running one. Drills share a cluster as long as it fits them.
 */
export class ClusterProvider implements AsyncDisposable {
  readonly #running: RunDir;
  readonly #private = new RunDir(join(REPOSITORY, '.run-drill'));
  readonly #progress: ProgressLog;
  readonly #signal: AbortSignal;
  /** Held while `.run-drill/` is ours. Without it another drill command would take our cluster down. */
  #ownership: RunLock | undefined;
  #open: OpenCluster | undefined;

  constructor(running: RunDir, progress: ProgressLog, signal: AbortSignal) {
    this.#running = running;
    this.#progress = progress;
    this.#signal = signal;
  }

  /** @throws Error when no cluster can be started */
  async provide(kind: ClusterKind): Promise<DrillCluster> {
    const isPrivate = !this.#isRunning(kind);
    if (this.#open !== undefined && fits(this.#open, isPrivate, kind)) return this.#open.cluster;
    await this.#close();
    if (isPrivate) await this.#startPrivate(kind);
    const cluster = await DrillCluster.open(isPrivate ? this.#private : this.#running, this.#progress);
    this.#open = { cluster, isPrivate, kind };
    return cluster;
  }

  /** The next drill gets a new cluster, if the current one is private. */
  async discard(): Promise<void> {
    if (this.#open?.isPrivate === true) await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (this.#ownership === undefined) return;
    await endPrivateCluster(this.#private, this.#progress);
    this.#ownership.release();
  }

  #isRunning(kind: ClusterKind): boolean {
    if (kind === 'small' || !existsSync(this.#running.clusterFile)) return false;
    const { wire, keySource } = readClusterFile(this.#running.clusterFile);
    return keySource !== 'counter' && (kind === 'usual' || wire !== undefined);
  }

  async #startPrivate(kind: ClusterKind): Promise<void> {
    const waiting = (): void => this.#progress.line('waiting until another drill command ends …');
    this.#ownership ??= await takeLock(new RunDir(join(this.#private.path, 'owner')), waiting, this.#signal);
    await startPrivateCluster(this.#private, kind, this.#progress, this.#signal);
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.cluster.close();
    if (open?.isPrivate === true) await endPrivateCluster(this.#private, this.#progress);
  }
}

/** A private cluster with a wire is kept for drills that need it: other drills get one without proxies. */
function fits(open: OpenCluster, isPrivate: boolean, kind: ClusterKind): boolean {
  return open.isPrivate === isPrivate && (!isPrivate || open.kind === kind);
}
