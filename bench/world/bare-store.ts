import { join } from 'node:path';
import { Child } from '../load/child.ts';
import type { BareHttp } from './bare-http.ts';

const START_TIMEOUT_MS = 60_000;

/** Starts a bare `node:http` server that stores each body in a file of this folder, durably. */
export async function startBareStore(folder: string, signal: AbortSignal): Promise<BareHttp> {
  const child = new Child('bare node:http', join(import.meta.dirname, 'bare-store-main.ts'), signal);
  try {
    const { port } = await child.ask<{ port: number }>(folder, START_TIMEOUT_MS);
    const url = `http://127.0.0.1:${port}`;
    return { url, pid: child.pid, [Symbol.asyncDispose]: async () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
