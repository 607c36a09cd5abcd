/**
 * Removes the greeting and the session events from zkCli's output, line by line. A session event looks like
 * this:
 *
 *     (empty)
 *     WATCHER::
 *     (empty)
 *     WatchedEvent state:SyncConnected type:None path:null
 *
 * Events of watches that the user set have a type, and stay. Lines that may begin such a block are held back
 * until the block is complete or broken.
 */
export class ZkOutputFilter {
  #held: string[] = [];

  /** Takes the next line of zkCli's stdout and returns the lines to show now. */
  push(line: string): string[] {
    if (this.#held.length === 0) {
      if (GREETING.test(line)) return [];
      if (line === '') return this.#hold(line);
      return [line];
    }
    const expected = BLOCK[this.#held.length];
    if (expected?.test(line)) return this.#hold(line);
    if (this.#held.length === BLOCK.length && SESSION_EVENT.test(line)) {
      this.#held = [];
      return [];
    }
    const released = this.#held;
    this.#held = [];
    return [...released, ...this.push(line)];
  }

  /** The lines that are still held back when the output ends. */
  end(): string[] {
    const released = this.#held;
    this.#held = [];
    return released;
  }

  #hold(line: string): string[] {
    this.#held.push(line);
    return [];
  }
}

const GREETING = /^(Connecting to |Welcome to ZooKeeper!$|JLine support is (en|dis)abled$)/;
const BLOCK = [/^$/, /^WATCHER::$/, /^$/];
const SESSION_EVENT = /^WatchedEvent state:\w+ type:None path:null$/;

/** Lines of zkCli's stderr without information: the missing logger, and the frames of a Java stack trace. */
export function isNoise(line: string): boolean {
  return line.startsWith('SLF4J:') || /^\s+(at |\.\.\. \d+ more)/.test(line);
}
