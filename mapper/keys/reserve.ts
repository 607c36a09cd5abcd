import type { UrlsServer } from '../urls/urls-server.ts';
import type { TakenKey } from './taken-key.ts';

/**
 * Keys held ready, by the urls server of their slot. The keys of one server are in the order in which they
 * came.
 */
export class Reserve {
  readonly #byServer = new Map<UrlsServer, TakenKey[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(taken: TakenKey): void {
    const keys = this.#byServer.get(taken.server);
    if (keys === undefined) this.#byServer.set(taken.server, [taken]);
    else keys.push(taken);
    this.#size += 1;
  }

  /** Removes a key for the server `preferred`, or else one for the server with the most keys. */
  take(preferred: UrlsServer | undefined): TakenKey | undefined {
    const keys = preferred === undefined ? undefined : this.#byServer.get(preferred);
    const taken = keys?.shift() ?? this.#most()?.shift();
    if (taken !== undefined) this.#size -= 1;
    return taken;
  }

  /** Removes and returns the keys for which `shouldRemove` is true. */
  remove(shouldRemove: (taken: TakenKey) => boolean): TakenKey[] {
    const removed: TakenKey[] = [];
    for (const [server, keys] of this.#byServer) {
      const kept: TakenKey[] = [];
      for (const taken of keys) (shouldRemove(taken) ? removed : kept).push(taken);
      this.#byServer.set(server, kept);
    }
    this.#size -= removed.length;
    return removed;
  }

  removeAll(): TakenKey[] {
    return this.remove(() => true);
  }

  #most(): TakenKey[] | undefined {
    let most: TakenKey[] | undefined;
    for (const keys of this.#byServer.values()) if (keys.length > (most?.length ?? 0)) most = keys;
    return most;
  }
}
