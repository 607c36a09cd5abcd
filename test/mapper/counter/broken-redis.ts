import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPortFree } from '../../../scripts/servers/ports.ts';
import type { RunningServer } from '../../../scripts/servers/process.ts';
import { startRedis } from '../../../scripts/servers/redis.ts';
import { stopAtEnd, testFolder } from '../../servers.ts';
import { until } from '../../until.ts';

/** A Redis of a test's own, which can be killed, emptied, and put back to an earlier state of its file. */
export class BrokenRedis {
  readonly #dir: string;
  #server: RunningServer;

  static async start(id: string): Promise<BrokenRedis> {
    const dir = join(testFolder(), id);
    return new BrokenRedis(dir, await startIn(dir));
  }

  private constructor(dir: string, server: RunningServer) {
    this.#dir = dir;
    this.#server = server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#server.port}`;
  }

  /** What it said last. */
  async tail(): Promise<string> {
    return (await readFile(join(this.#dir, 'redis.log'), 'utf8')).slice(-2_000);
  }

  /** Remembers its append-only file as it is. */
  async save(): Promise<void> {
    await rm(this.#saved, { recursive: true, force: true });
    await cp(this.#file, this.#saved, { recursive: true });
  }

  /** As after a crash of the process: it writes nothing more. */
  async kill(): Promise<void> {
    this.#server.signal('SIGKILL');
    await this.#server.stop();
  }

  /** Starts a killed one. `wiped`: without its data; `saved`: with the file that was remembered. */
  async restart(data: 'kept' | 'wiped' | 'saved' = 'kept'): Promise<void> {
    if (data !== 'kept') await rm(this.#file, { recursive: true, force: true });
    if (data === 'saved') await cp(this.#saved, this.#file, { recursive: true });
    const { port } = this.#server;
    // A child that writes the file has its port a moment longer. Then it would take the next one, unnoticed.
    await until('its port to be free', async () => isPortFree(port));
    this.#server = await startIn(this.#dir, port);
    if (this.#server.port !== port) throw new Error(`port ${port} was taken meanwhile`);
  }

  pause(): void {
    this.#server.signal('SIGSTOP');
  }

  resume(): void {
    this.#server.signal('SIGCONT');
  }

  get #file(): string {
    return join(this.#dir, 'appendonlydir');
  }

  get #saved(): string {
    return join(this.#dir, 'saved');
  }
}

async function startIn(dir: string, port?: number): Promise<RunningServer> {
  const options = {
    id: 'counter',
    dir,
    logFile: join(dir, 'redis.log'),
    ...(port !== undefined && { port }),
  };
  return stopAtEnd(startRedis(options));
}
