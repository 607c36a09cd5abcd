import { monotonicMs } from '../../runtime/clock.ts';
import type { Node, NodeStat } from '../node.ts';
import type { NodeReads } from '../reading.ts';
import type { Session } from '../session.ts';

/** Watches are reliable. To read all nodes again now and then costs little, and ends whatever is wrong. */
const MAX_AGE_MS = 30_000;

/**
 * The nodes of a session that were read with a watch, until the watch fires. A hand-over changes one lock of
 * 64, so whoever reads everything at each change reads one node, and knows the others. Make it before what
 * observes the session: when that is attached again, and all watches are gone, it must have forgotten all.
 */
export class KnownNodes implements NodeReads, Disposable {
  readonly #session: Session;
  readonly #known = new Map<string, Promise<unknown>>();
  /** One for each kind of read and path: a watch that is set twice with the same function counts once. */
  readonly #watches = new Map<string, () => void>();
  readonly #off: () => void;
  #sinceMs = monotonicMs();

  constructor(session: Session) {
    this.#session = session;
    this.#off = session.on('attached', () => {
      this.#known.clear();
      this.#watches.clear();
    });
  }

  /** Call it before everything is read. */
  forgetOld(): void {
    if (monotonicMs() - this.#sinceMs < MAX_AGE_MS) return;
    this.#known.clear();
    this.#sinceMs = monotonicMs();
  }

  async get(path: string, onChange?: () => void): Promise<Node | undefined> {
    return this.#read(`get ${path}`, onChange, async (watch) => this.#session.get(path, watch));
  }

  async exists(path: string, onChange?: () => void): Promise<NodeStat | undefined> {
    return this.#session.exists(path, onChange);
  }

  async children(path: string, onChange?: () => void): Promise<string[]> {
    return this.#read(`children ${path}`, onChange, async (watch) => this.#session.children(path, watch));
  }

  [Symbol.dispose](): void {
    this.#off();
  }

  /** @param onChange always the same function. Without it nothing says until when the answer is right */
  async #read<T>(
    key: string,
    onChange: (() => void) | undefined,
    read: (watch: (() => void) | undefined) => Promise<T>,
  ): Promise<T> {
    if (onChange === undefined) return read(undefined);
    const known = this.#known.get(key);
    if (known !== undefined) return known as Promise<T>;
    let watch = this.#watches.get(key);
    if (watch === undefined) {
      watch = () => {
        this.#known.delete(key);
        this.#watches.delete(key);
        onChange();
      };
      this.#watches.set(key, watch);
    }
    const reading = read(watch);
    this.#known.set(key, reading);
    reading.catch(() => {
      if (this.#known.get(key) === reading) this.#known.delete(key);
    });
    return reading;
  }
}
