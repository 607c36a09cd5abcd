import type { UrlsServer } from '../urls/urls-server.ts';
import type { TakenKey } from './taken-key.ts';

/**
 * Keys held ready, by the urls server of their slot. The keys of one server are in the order in which they
 * came.
 */
export class Reserve {
  readonly #byServer = new Map<UrlsServer, KeyQueue>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(taken: TakenKey): void {
    let keys = this.#byServer.get(taken.server);
    if (keys === undefined) this.#byServer.set(taken.server, (keys = new KeyQueue()));
    keys.add(taken);
    this.#size += 1;
  }

  /** Removes a key for the server `preferred`, or else one for the server with the most keys. */
  take(preferred: UrlsServer | undefined): TakenKey | undefined {
    const keys = preferred === undefined ? undefined : this.#byServer.get(preferred);
    const taken = keys?.take() ?? this.#most()?.take();
    if (taken !== undefined) this.#size -= 1;
    return taken;
  }

  /** Removes and returns the keys for which `shouldRemove` is true. */
  remove(shouldRemove: (taken: TakenKey) => boolean): TakenKey[] {
    const removed = [...this.#byServer.values()].flatMap((keys) => keys.remove(shouldRemove));
    this.#size -= removed.length;
    return removed;
  }

  removeAll(): TakenKey[] {
    return this.remove(() => true);
  }

  #most(): KeyQueue | undefined {
    let most: KeyQueue | undefined;
    for (const keys of this.#byServer.values()) if (keys.size > (most?.size ?? 0)) most = keys;
    return most;
  }
}

/**
 * First in, first out. `shift` of an array asks V8's runtime each time, and moves all that are left when
 * there are some 10,000.
 */
class KeyQueue {
  #incoming: TakenKey[] = [];
  /** Those that came before, the last one first. */
  #outgoing: TakenKey[] = [];

  get size(): number {
    return this.#incoming.length + this.#outgoing.length;
  }

  add(taken: TakenKey): void {
    this.#incoming.push(taken);
  }

  take(): TakenKey | undefined {
    if (this.#outgoing.length === 0) {
      this.#outgoing = this.#incoming.reverse();
      this.#incoming = [];
    }
    return this.#outgoing.pop();
  }

  remove(shouldRemove: (taken: TakenKey) => boolean): TakenKey[] {
    const removed: TakenKey[] = [];
    const kept: TakenKey[] = [];
    for (const taken of [...this.#outgoing.toReversed(), ...this.#incoming])
      (shouldRemove(taken) ? removed : kept).push(taken);
    this.#incoming = kept;
    this.#outgoing = [];
    return removed;
  }
}
