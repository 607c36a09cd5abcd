import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * A separate process that owns a resource for this one. It removes the resource when its stdin closes: when
 * this process closes it or ends, for whatever reason. Its first line on stdout is the address of the
 * resource.
 */
export class Keeper {
  readonly firstLine: string;
  readonly #child: ChildProcess;

  /** @throws Error when the keeper ends before its first line. Its output is on our stderr. */
  static async open(script: string, ...args: string[]): Promise<Keeper> {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // A process group of its own, so that Ctrl-C reaches only us. The keeper ends after us.
      detached: true,
    });
    const lines = createInterface({ input: child.stdout });
    const failed = once(child, 'exit').then(() => {
      throw new Error('no container runs on this machine; the output of the keeper is above');
    });
    const [line] = (await Promise.race([once(lines, 'line'), failed])) as [string];
    // This process may end before the keeper; only `close` waits for it.
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as unknown as Socket).unref();
    return new Keeper(child, line);
  }

  private constructor(child: ChildProcess, firstLine: string) {
    this.#child = child;
    this.firstLine = firstLine;
  }

  /** Resolves when the resource is removed. @throws Error when the removal failed */
  async close(): Promise<void> {
    this.#child.ref();
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    const [code] = (await gone) as [number | null];
    if (code !== 0) throw new Error(`the keeper could not remove everything (exit code ${code})`);
  }
}
