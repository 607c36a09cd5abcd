/**
 * Takes zkCli's chatter out of its output, line by line: "Connecting to …" and the session events that it prints as
 *
 *     (empty)
 *     WATCHER::
 *     (empty)
 *     WatchedEvent state:SyncConnected type:None path:null
 *
 * Events of watches that the person set carry a type and stay. What might be the beginning of such a block is held
 * back until it is clear.
 */
export class ZkOutputFilter {
  #held: string[] = [];

  /** Lines to show now, given the next line of zkCli's stdout. */
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

  /** What was still held back when the output ended. */
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

/** Lines of zkCli's stderr that say nothing about the answer: its missing logger, and the heap of a Java stack trace. */
export function isNoise(line: string): boolean {
  return line.startsWith('SLF4J:') || /^\s+(at |\.\.\. \d+ more)/.test(line);
}
