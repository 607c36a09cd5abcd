import { join } from 'node:path';
import { Child } from '../load/child.ts';
import { askOnce, askUntilServed, compareShapes, headersOf, keepAliveSecondsOf } from './answers.ts';
import type { BareFiles } from './bare-files-main.ts';
import type { BareHttp } from './bare-http.ts';
import type { StoredPictures } from './stored-pictures.ts';

const START_TIMEOUT_MS = 60_000;

/**
 * Starts a bare `node:http` server that pipes the same files as the mapper serves, with the same headers.
 * @throws KeymillError when its answers differ from the mapper's in more than date, request id and entity tag
 */
export async function startBareFiles(
  mapperUrl: string,
  { files, paths }: StoredPictures,
  { bytes, signal }: { readonly bytes: number; readonly signal: AbortSignal },
): Promise<BareHttp> {
  const [path = ''] = paths;
  const ours = await askUntilServed(mapperUrl, path, signal);
  const child = new Child('bare node:http of files', join(import.meta.dirname, 'bare-files-main.ts'), signal);
  try {
    const headers = headersOf(ours).flat();
    const keepAliveTimeoutMs = keepAliveSecondsOf(ours) * 1_000;
    const task: BareFiles = { files, headers, bytes, keepAliveTimeoutMs };
    const { port } = await child.ask<{ port: number }>(task, START_TIMEOUT_MS);
    const url = `http://127.0.0.1:${port}`;
    compareShapes('bare node:http of files', ours, await askOnce(url, path));
    return { url, pid: child.pid, [Symbol.asyncDispose]: async () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
