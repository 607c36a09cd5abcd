import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * A process of its own that holds something for this one, and puts it away when this one closes it or ends, in whatever way: it sees its
 * stdin close. Its first line on stdout says where the thing is.
 */
export class Keeper {
  readonly firstLine: string;
  readonly #child: ChildProcess;

  /** @throws Error when it ends before its first line; what it said is on our stderr */
  static async open(script: string, ...args: string[]): Promise<Keeper> {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // Ctrl-C is for us; the keeper goes when we are gone.
      detached: true,
    });
    const lines = createInterface({ input: child.stdout });
    const failed = once(child, 'exit').then(() => {
      throw new Error('no containers can be run here: what the keeper said is above');
    });
    const [line] = (await Promise.race([once(lines, 'line'), failed])) as [string];
    // Nothing need wait for it; `close` does.
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as unknown as Socket).unref();
    return new Keeper(child, line);
  }

  private constructor(child: ChildProcess, firstLine: string) {
    this.#child = child;
    this.firstLine = firstLine;
  }

  /** Resolves when everything is put away. @throws Error when that failed */
  async close(): Promise<void> {
    this.#child.ref();
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    const [code] = (await gone) as [number | null];
    if (code !== 0) throw new Error(`the keeper could not put everything away (exit code ${code})`);
  }
}
