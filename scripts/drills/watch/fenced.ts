import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { DrillCluster } from '../stage/cluster.ts';

/** How long the producers' logs are now, so that only what comes later is counted. */
export function sizesOf(cluster: DrillCluster): Map<string, number> {
  return new Map(cluster.file.producers.map(({ id }) => [id, sizeOf(cluster.runDir.logOf(id))]));
}

/** How many reigns ended because a store refused their epoch, by the producers' logs since then. */
export function countFenced(cluster: DrillCluster, since: ReadonlyMap<string, number>): number {
  let fenced = 0;
  for (const [id, from] of since)
    fenced += readFrom(cluster.runDir.logOf(id), from).split('"end":"fenced"').length - 1;
  return fenced;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function readFrom(path: string, from: number): string {
  const length = sizeOf(path) - from;
  if (length <= 0) return '';
  const buffer = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, length, from));
  } finally {
    closeSync(file);
  }
}
